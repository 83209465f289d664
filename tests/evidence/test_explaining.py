"""What drives a model's answers, from the files that teams have, in plain words."""

import json

import pytest

from workflows.errors import InvalidInput
from workflows.evidence import explanations as evidence_explanations
from workflows.evidence.explanations import Explained
from workflows.sources import explanations


def _read(data: object) -> Explained:
    raw = data if isinstance(data, str) else json.dumps(data)
    return Explained.model_validate(explanations.read_explanations(raw.encode(), name="e.csv"))


def test_permutation_importance_of_scikit_learn() -> None:
    """As `permutation_importance` returns it; an input whose shuffling did no harm has no share."""
    found = _read(
        {
            "feature_names": ["income", "age", "zip"],
            "importances_mean": [0.06, 0.02, -0.001],
            "importances_std": [0.01, 0.002, 0.001],
        }
    )
    assert [(one.feature, f"{share:.2f}") for one, share in found.ranked] == [
        ("income", "0.75"),
        ("age", "0.25"),
        ("zip", "0.00"),
    ]
    assert evidence_explanations.describe_drivers(found) == (
        "By permutation importance, its answers are moved most by income (75 %) and age (25 %).",
    )


def test_a_shap_explanation_gives_drivers_and_examples() -> None:
    found = _read(
        {
            "feature_names": ["income", "age"],
            "values": [[0.2, -0.1], [0.4, 0.05]],
            "base_values": [0.31, 0.31],
            "data": [[52000, 31], [90000, 60]],
            "names": ["applicant A", "applicant B"],
        }
    )
    first, case, _ = evidence_explanations.describe_drivers(found)
    assert first == "By SHAP, its answers are moved most by income (80 %) and age (20 %)."
    assert (
        case
        == "For “applicant A” the answer 0.41 is above the usual 0.31: income 52000 moved it up by 0.2 and age 31 moved it down by 0.1."
    )


@pytest.mark.parametrize(
    "text",
    [
        "feature,importance,std\nincome,0.3,0.1\nage,0.1,\n",
        "income,age\n0.3,-0.1\n-0.3,0.1\n",
        '[{"feature": "income", "importance": 0.3}, {"feature": "age", "importance": "0.1"}]',
    ],
)
def test_tables_and_plain_drivers(text: str) -> None:
    found = _read(text)
    assert [(one.feature, f"{share:.2f}") for one, share in found.ranked] == [
        ("income", "0.75"),
        ("age", "0.25"),
    ]


def test_very_many_features_are_kept_as_the_strongest_and_the_rest() -> None:
    found = _read("feature,importance\n" + "".join(f"f{n},1\n" for n in range(500)) + "top,500\n")
    assert (len(found.drivers), found.drivers[0].feature, found.drivers[-1].feature) == (
        200,
        "top",
        "302 other features",
    )
    assert found.ranked[0][1] == found.ranked[0][1].quantize(found.ranked[0][1])
    assert f"{found.ranked[0][1]:.2f}" == "0.50"


def test_nothing_moves_it() -> None:
    assert evidence_explanations.describe_drivers(_read("feature,importance\na,0\nb,-1\n")) == (
        "By feature importance, no input moves its answers.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("{", "is not whole JSON"),
        ("{}", "names no features"),
        ('{"features": ["a"]}', "holds neither `drivers`"),
        (
            '{"features": ["a", "b"], "importances_mean": [1]}',
            "one number for each of its 2 features",
        ),
        ('{"features": ["a"], "values": []}', "holds no SHAP values"),
        ("feature,importance\na,much\n", "'much' where a number belongs"),
        ("feature,importance\na,inf\n", "not finite"),
        ("feature,importance\na\n", "fewer columns than its heading"),
        ("a,b\n1\n", "one number for each of its 2 features"),
        ("[" * 100_000, "is not whole JSON"),
    ],
)
def test_wrong_files_say_what_to_do(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _read(text)
    assert said in refused.value.sentence
    assert "docs/evidence.md" in refused.value.sentence


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("Unnamed: 0,income,age\n0,0.3,-0.1\n1,-0.3,0.1\n100,0.3,0.1\n", "Unnamed: 0"),
        (",income,age\n0,0.3,-0.1\n1,-0.3,0.1\n", "(no heading)"),
        ("index,income,age\n0,0.3,-0.1\n1,-0.3,0.1\n", "index"),
        ("customer_id,income,age\n100231,0.3,-0.1\n100232,-0.3,0.1\n", "customer_id"),
        ("income,age,base_value\n0.3,-0.1,5.0\n-0.3,0.1,5.0\n", "base_value"),
        ("income,age,Expected Value\n0.3,-0.1,5.1\n-0.3,0.1,5.0\n", "Expected Value"),
        ("x,income,age\n0,0.3,-0.1\n1,-0.3,0.1\n2,0.3,0.1\n", "x"),
    ],
)
def test_columns_that_are_no_features_are_left_out_and_said(text: str, left_out: str) -> None:
    found = _read(text)
    assert [(one.feature, f"{share:.2f}") for one, share in found.ranked] == [
        ("income", "0.75"),
        ("age", "0.25"),
    ]
    assert found.limits == f"Left out, as no feature: “{left_out}”."


def test_an_id_that_is_a_contribution_stays() -> None:
    found = _read("id_age,postcode_id\n0.3,-0.1\n-0.3,0.1\n")
    assert len(found.drivers) == 2
    assert found.limits == ""


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ([0.1, 0.2, 0.3], "holds 3 base values for 2 cases"),
        ([[0.1, 0.9], [0.1, 0.9]], "several outputs"),
    ],
)
def test_base_values_that_fit_no_cases_are_refused(base: object, said: str) -> None:
    shap = {"feature_names": ["a"], "values": [[0.1], [0.2]], "base_values": base}
    with pytest.raises(InvalidInput, match=said):
        _read(shap)


@pytest.mark.parametrize("base", [0.25, [0.25], [[0.25], [0.25]], [0.25, 0.25]])
def test_base_values_in_every_shape(base: object) -> None:
    shap = {"feature_names": ["a"], "values": [[0.5], [0.5]], "base_values": base}
    assert [str(one.usual.normalize()) for one in _read(shap).examples] == ["0.25"] * 2
