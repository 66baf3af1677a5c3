"""Serving: the server and its page. One process, one queue, one thread for the model; nothing leaves the machine.

`routes` and `openai_routes` hold the API, `page` the page, `batcher` the queue, `service` what both ask.
The way in is `server`. FastAPI, uvicorn, Gradio and prometheus-client are the extra `serve`, imported where they are
used.
"""
