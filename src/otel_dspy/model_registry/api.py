"""`otel_dspy.register`: the best program of an optimization as a version of a registered model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.argument_checks import check_list, check_program, check_text, check_texts
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.model_registry.errors import RegistryError
from otel_dspy.model_registry.registration_data import Registration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.model_registry.registration_data import Registered

_NEEDED: Final = ("dspy", "mlflow")


def register(  # noqa: PLR0913 - the parts of a registration, by name
    run: str,
    *,
    name: str,
    program: Any,  # noqa: ANN401 - a dspy.Module; DSPy is optional here
    alias: str | None = None,
    prompts: bool = True,
    code_paths: Sequence[str] = (),
    pip_requirements: Sequence[str] = (),
    tracking_uri: str | None = None,
) -> Registered:
    """Register the best program of an optimization, loadable by `mlflow.dspy.load_model`.

    Registering the same program of a run again creates nothing new and only sets the alias.

    Args:
        run: id of the optimization's run, or `latest` for the one that started last.
        name: name of the registered model; it is created if it does not exist.
        program: the program that was optimized, or a new one with the same predictors. It is not changed.
        alias: alias that the version gets, and another version loses.
        prompts: register the predictors' instructions as prompts, where MLflow has a prompt registry.
        code_paths: files that define the program and that no package has.
        pip_requirements: packages that the program needs in addition to DSPy and MLflow.
        tracking_uri: the MLflow store; None for MLflow's current one.

    Returns:
        The version.

    Raises:
        RegistryError: A package is missing; or the version is registered, and its alias could not be set.
        otel_dspy.rerun.errors.RerunError: There is no such run, it has no recorded program, or that has other
            predictors or fields.
        ValueError: An argument is of another type, or an empty text; or the program is not one.
        mlflow.exceptions.MlflowException: The store did not answer, or rejected the name.
    """
    check_text("register", "run", run)
    check_text("register", "name", name)
    check_program("register", program)
    check_texts("register", alias=alias, tracking_uri=tracking_uri)
    check_list("register", "code_paths", code_paths)
    check_list("register", "pip_requirements", pip_requirements)
    missing = [package for package in _NEEDED if not is_installed(package)]
    if missing:
        raise RegistryError(
            f"Registering needs packages that are missing: {', '.join(missing)}. Install otel-dspy[instruments,mlflow]."
        )
    from otel_dspy.model_registry.registration_steps import registered  # noqa: PLC0415 - DSPy, MLflow: seconds

    return registered(run, Registration(name, program, alias, prompts, code_paths, pip_requirements), tracking_uri)
