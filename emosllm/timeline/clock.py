"""Times as a clock shows them: `0:07`, `12:30`, `1:02:30`."""


def clock(seconds: float) -> str:
    """`minutes:seconds`, with hours in front where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
