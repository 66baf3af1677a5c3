"""The command `sweep`: train every combination of settings on every fold."""

from emosllm.cli.experiment_results import print_results
from emosllm.cli.options import (
    BatchSizeOption,
    CacheOption,
    ChooseWeightsOption,
    DeviceOption,
    FoldsOption,
    GridArgument,
    KeepModelsOption,
    ManifestsOption,
    OutOption,
    PartialOption,
    RecipeArgument,
    ResumeOption,
    SeedsOption,
    TrainValProtocolOption,
)


def sweep(
    recipe: RecipeArgument,
    data: ManifestsOption,
    out: OutOption,
    overrides: GridArgument = None,
    folds: FoldsOption = None,
    protocol: TrainValProtocolOption = None,
    partial: PartialOption = False,
    seeds: SeedsOption = 1,
    choose_weights: ChooseWeightsOption = False,
    resume: ResumeOption = False,
    cache: CacheOption = None,
    keep_models: KeepModelsOption = True,
    batch_size: BatchSizeOption = 8,
    device: DeviceOption = None,
) -> None:
    """Train every combination of settings on every fold, and write a table and a heatmap of the figures.

    Example: `emosllm sweep gemma-text lora.rank=16,32,64 lora.alpha=16,32 --data manifest.csv --out grid`

    Folds have similar class distributions, and no speaker is in two folds. The exception is `--protocol`, where
    published splits share speakers. The test split is not used. Exit code 1 if a run failed.
    """
    from emosllm.experiments.sweep import SweepSettings
    from emosllm.experiments.sweep import sweep as sweep_recipe
    from emosllm.extras import check_eval_extra

    check_eval_extra()
    settings = SweepSettings(
        folds, seeds, choose_weights, resume, cache, keep_models, batch_size, device, protocol, partial
    )
    results = sweep_recipe(recipe, overrides or (), data, out, settings)
    print_results(results, out)
