"""Headings of model cards as people write them: numbered, decorated, in HTML, after a rule. No text is lost without a word."""

import pytest

from workflows.errors import InvalidInput
from workflows.sources import model_cards


def read(text: str) -> dict[str, str]:
    return model_cards.read(text.encode())


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        (
            "# Acme\n## 1. Intended Use\nRank.\n## 2. Limitations\nEnglish only.\n## 3. Results\nF1 .8\n## 4. Factors\nlanguage\n",
            {"intended_use": "Rank.", "caveats": "English only.", "analyses": "F1 .8", "factors": "language"},
        ),
        (
            "---\n\n## Intended Use\nRank tickets.\n\n---\n\n## Training Data\n2024\n",
            {"intended_use": "Rank tickets.", "training_data": "2024"},
        ),
        (
            "---\nlicense: mit\n---\n<h1>Acme</h1>\n\n<h2>Intended Use</h2>\n\nRank tickets.\n",
            {"intended_use": "Rank tickets."},
        ),
        (
            "# Acme\n## Evaluation results\nF1 0.8\n## Intended use\nRank.\n",
            {"analyses": "F1 0.8", "intended_use": "Rank."},
        ),
        (
            "## 🎯 Intended use\nRank.\n## 1.2) **Limitations**:\nNone known.\n## IV. Training data\n2024\n## B. Metrics\nF1\n",
            {"intended_use": "Rank.", "caveats": "None known.", "training_data": "2024", "metrics": "F1"},
        ),
        (
            "**Intended use:**\nRank.\n\n**Note**\nSmall.\n\n__Limitations__\nEnglish.\n",
            {"intended_use": "Rank.\n\n**Note**\nSmall.", "caveats": "English."},
        ),
        (
            "## [Intended use](#use)\nRank.\n## <a name='d'></a>Training data\n2024\n",
            {"intended_use": "Rank.", "training_data": "2024"},
        ),
        (
            "<div align='center'><h2 id='x'>Intended\nuse</h2></div>\nRank.\n```html\n<h2>Metrics</h2>\n```\n",
            {"intended_use": "Rank.\n```html\n<h2>Metrics</h2>\n```"},
        ),
        (
            "We rank.\n\n# Acme\nIt is small.\n## Intended use\nRank.\n",
            {"details": "We rank.\n\n\n**Acme**\n\nIt is small.", "intended_use": "Rank."},
        ),
        (
            "---\r\nlicense: mit\r\ntags:\r\n- a\r\n---\r\n## Intended use\r\nRank.\r\n",
            {"intended_use": "Rank."},
        ),
    ],
)  # fmt: skip
def test_sections(text: str, sections: dict[str, str]) -> None:
    assert read(text) == sections


def test_what_does_not_fit_is_said() -> None:
    found = read("## Intended use\n" + "word " * 3_000)["intended_use"]
    assert len(found) <= model_cards.MOST_OF_SECTION
    assert "characters more are in the file" in found


def test_text_without_a_section_is_no_card() -> None:
    with pytest.raises(InvalidInput, match="none of a model card's headings"):
        read("# Notes\nSomething.\n")
