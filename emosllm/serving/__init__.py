"""The HTTP server and its web page: one process, one request queue, one thread for the model. It sends no data out.

FastAPI, uvicorn, Gradio and prometheus-client are the extra `serve`. They are imported only where they are used.
"""
