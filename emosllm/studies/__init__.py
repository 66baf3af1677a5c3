"""The studies that come with the package, one YAML file each; `emosllm.experiments.studies` reads them."""
