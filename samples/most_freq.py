"""Tokens by how often they occur, the most frequent first. Three mistakes; the examples lie in most_freq.examples.jsonl."""
from tracr.rasp import rasp


def make_hist():
    same_token = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ).named("same_token")
    return rasp.SelectorWidth(same_token).named("hist")


def order_unique(values, keys):
    smaller = rasp.Select(keys, keys, rasp.Comparison.LEQ).named("smaller")
    place = rasp.SelectorWidth(smaller).named("place")
    move = rasp.Select(place, rasp.indices, rasp.Comparison.LT).named("move")
    return rasp.Aggregate(move, values).named("sorted")


def order(values, keys, *, max_seq_len: int, min_key: float):
    keys = rasp.SequenceMap(lambda x, i: x + min_key * i / max_seq_len, keys, rasp.indices).named("unique_keys")
    return order_unique(values, keys)


def make_most_freq(max_seq_len: int = 10):
    rarity = rasp.Map(lambda x: x, make_hist()).named("rarity")
    return order(rasp.tokens, rarity, max_seq_len=max_seq_len, min_key=1).named("most_freq")
