"""The server and its page: one process, one queue, one thread for the model; nothing leaves the machine.

Nothing here is imported before it is used: FastAPI, uvicorn, Gradio and prometheus-client are the extra `serve`.
"""
