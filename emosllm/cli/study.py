"""The command `study`: run a named sweep that answers a research question."""

from typing import Annotated

import typer

from emosllm.cli.experiment_results import print_results
from emosllm.cli.options import (
    BatchSizeOption,
    CacheOption,
    ChooseWeightsOption,
    DeviceOption,
    FoldsOption,
    KeepModelsOption,
    ManifestsOption,
    OutOption,
    OverridesArgument,
    PartialOption,
    RecipeArgument,
    ResumeOption,
    SeedsOption,
    TrainValProtocolOption,
)


def study(
    name: Annotated[
        str, typer.Argument(help="Study: a name, such as encoder, strategy, curriculum or size, or a YAML file.")
    ],
    recipe: RecipeArgument,
    data: ManifestsOption,
    out: OutOption,
    overrides: OverridesArgument = None,
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
    """Run a study of a recipe: an ablation of the papers, or a question that they leave open.

    Example: `emosllm study transcripts nano --data manifest.csv --out transcripts --folds 3`

    A study is a YAML file (`emosllm/studies`). `key=v1,v2` replaces a study's own values.
    """
    from emosllm.experiments.studies import load_study, study_variants
    from emosllm.experiments.sweep import SweepSettings, sweep_variants
    from emosllm.experiments.sweep_data import protocol_overrides
    from emosllm.extras import check_eval_extra

    check_eval_extra()
    found = load_study(name)
    studied = study_variants(found, recipe, protocol_overrides(protocol, overrides or ()))
    settings = SweepSettings(
        folds, seeds, choose_weights, resume, cache, keep_models, batch_size, device, protocol, partial
    )
    title = f"{recipe}: {found.title}"
    results = sweep_variants(title, studied.variants, studied.keys, data, out, settings, notes=studied.notes)
    print_results(results, out)
