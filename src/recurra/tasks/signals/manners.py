"""What scikit-learn asks of an estimator, said without importing it before it asks."""

from typing import Any, Literal


def tags(kind: Literal["classifier", "regressor"], *, missing: bool) -> Any:
    """What kind of estimator it is and what it takes.

    Args:
        missing: whether values may be missing.
    """
    from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

    return Tags(
        estimator_type=kind,
        target_tags=TargetTags(required=True),
        classifier_tags=ClassifierTags() if kind == "classifier" else None,
        regressor_tags=RegressorTags() if kind == "regressor" else None,
        input_tags=InputTags(two_d_array=False, three_d_array=True, allow_nan=missing),
    )
