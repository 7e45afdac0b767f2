"""Labels of a parameter's versions."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm import announcing
from fogbank.services.ssm.names import no_version, own_parameter_at
from fogbank.services.ssm.state import LABELS_LIMIT, PARAMETERS, VERSIONS, Parameter
from fogbank.store import change

_label = re.compile(r"(?!aws|ssm)[A-Za-z_.-][\w.-]*", re.ASCII | re.IGNORECASE).fullmatch


def labels_of(parameter: Parameter, number: int) -> list[str]:
    return sorted(label for label, on in parameter.labels.items() if on == number)


def _version_at(ctx: Context, parameter: Parameter, number: int) -> int:
    if VERSIONS.get(ctx, parameter.id, number) is None:
        raise no_version(parameter, number)
    return number


@operation("LabelParameterVersion")
def label_parameter_version(ctx: Context, req: Any) -> Answer:
    """Puts labels on a version, the latest if none is named; one that is on another version moves. At most 10 on a version.

    Labels that break the rules are told in InvalidLabels.

    Errors: ParameterNotFound, ParameterVersionNotFound, ParameterVersionLabelLimitExceeded.
    Source: API reference, LabelParameterVersion.
    """
    parameter = own_parameter_at(ctx, req.Name)
    number = parameter.latest if req.ParameterVersion is None else _version_at(ctx, parameter, req.ParameterVersion)
    fitting = [label for label in req.Labels if _label(label)]
    labelled = change(parameter, labels={**parameter.labels, **dict.fromkeys(fitting, number)})
    if len(labels_of(labelled, number)) > LABELS_LIMIT:
        raise ServiceException(
            "ParameterVersionLabelLimitExceeded",
            f"A parameter version can have maximum {LABELS_LIMIT} labels. Move one or more labels to another version and try again.",
        )
    PARAMETERS.put(ctx, labelled)
    if fitting:
        announcing.changed(ctx, labelled, "LabelParameterVersion", label=", ".join(fitting))
    return {"InvalidLabels": [label for label in req.Labels if label not in fitting], "ParameterVersion": number}


@operation("UnlabelParameterVersion")
def unlabel_parameter_version(ctx: Context, req: Any) -> Answer:
    """Takes labels off a version; those that are not on it are told in InvalidLabels.

    Errors: ParameterNotFound, ParameterVersionNotFound. Source: API reference, UnlabelParameterVersion.
    """
    parameter = own_parameter_at(ctx, req.Name)
    there = labels_of(parameter, _version_at(ctx, parameter, req.ParameterVersion))
    removed = [label for label in req.Labels if label in there]
    PARAMETERS.put(ctx, change(parameter, labels={label: on for label, on in parameter.labels.items() if label not in removed}))
    return {"RemovedLabels": removed, "InvalidLabels": [label for label in req.Labels if label not in there]}
