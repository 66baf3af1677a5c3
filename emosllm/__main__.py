"""Run the command line with `python -m emosllm`."""

from emosllm.cli import main

main()
