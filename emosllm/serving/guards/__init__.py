"""Guards in front of every route: who may send what, how much, how fast, and over how many connections.

`access` checks Host, Origin, path and token, `middleware` bodies and headers, `connections` and `uploads_in_progress`
count what is open. The way in is `access.AccessGuard`.
"""
