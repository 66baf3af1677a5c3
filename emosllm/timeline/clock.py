"""Format times: `0:07`, `12:30`, `1:02:30`."""


def clock(seconds: float) -> str:
    """`minutes:seconds`; from one hour on, with the hours in front."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
