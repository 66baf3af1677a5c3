"""`python -m emosllm` is `emosllm`."""

from emosllm.cli import main

main()
