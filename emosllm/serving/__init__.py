"""Serving: the server and its page. One process, one queue, one thread for the model; nothing leaves the machine.

`routes` and `openai_routes` hold the API, `web_page` the page, `guards` what requests pass first, `batcher` the queue,
`service` the recognition for all of them. The way in is `server`. FastAPI, uvicorn, Gradio and prometheus-client are
the extra `serve`, imported where they are used.
"""
