"""The ancestor's vocabulary, word by word: what each comes to in the six actions of this language.

Data and the small functions that read it. What is carried out is not decided here: words become canonical
actions with canonical parameters, and the engine's registry says which of those exist.
"""

from __future__ import annotations

from recipes.ancestor import caching, checkpoints, coordination, hints, models, prefetching, streaming
from recipes.ancestor.base import CANONICAL, Meaning, Remark, Translation, Value, Word
from recipes.ancestor.translate import translate

__all__ = ["CANONICAL", "WORDS", "Meaning", "Remark", "Translation", "Value", "Word", "translate"]

# One line per family of words.
WORDS: dict[str, Word] = {
    word.name: word
    for family in (caching, prefetching, streaming, coordination, models, checkpoints, hints)
    for word in family.WORDS
}
