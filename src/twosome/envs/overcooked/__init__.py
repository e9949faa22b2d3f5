"""The kitchen: one cook, up to three vegetables, a knife and a bowl; the two Overcooked tasks of the paper."""

SPECS: dict[str, dict[str, object]] = {
    "TomatoSalad": {"foods": ("tomato",), "task": "tomato salad"},
    "TomatoLettuceSalad": {"foods": ("tomato", "lettuce", "onion"), "task": "lettuce-tomato salad"},
}
"""Name of each registered environment (without "twosome/" and "-v0") to the arguments of `KitchenEnv`."""
