"""``mlopt recipe``: what is done with recipe files themselves."""

# Verb -> what it is for; the code is mlopt_cli/commands/recipe/<verb>.py:command.
VERBS: dict[str, str] = {
    "diff": "Say what changed between two recipes, in meaning.",
    "fmt": "Lay recipes out anew; values and comments stay.",
    "init": "Write a commented recipe to start from, for a directory.",
    "migrate": "Write a recipe of the ancestor in canonical names.",
    "schema": "Print the JSON Schema of recipes, for editors.",
}


def command() -> None:
    """Start, format and compare recipes.

    \b
    mlopt recipe init /data -o recipe.yaml
    mlopt recipe fmt recipe.yaml
    mlopt recipe diff old.yaml new.yaml

    'mlopt validate' checks recipes, 'mlopt explain' says what their words mean.
    """
