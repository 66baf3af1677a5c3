"""placeholder while the routes are tested."""

PAGE_PATHS = ("/", "/config")


def mount_page(app, service, asks_token): ...
