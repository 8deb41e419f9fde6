"""hist: how often the token at each position occurs in the input."""
from tracr.rasp import rasp


def make_hist():
    same_token = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ).named("same_token")
    return rasp.SelectorWidth(same_token).named("hist")
