"""The recipes, one YAML a system. Read them with `emosllm.recipe.load_recipe`."""
