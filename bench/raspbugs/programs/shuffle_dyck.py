"""shuffle_dyck: 1 at every position if the brackets of the whole input are balanced, else 0."""
from tracr.rasp import rasp


def make_length():
    every = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE).named("every")
    return rasp.SelectorWidth(every).named("length")


def share_so_far(flags):
    flags = rasp.numerical(flags)
    so_far = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LEQ)
    return rasp.numerical(rasp.Aggregate(so_far, flags, default=0)).named("share_so_far")


def surplus(opening, closing):
    opened = rasp.numerical(share_so_far(rasp.tokens == opening)).named("opened")
    closed = rasp.numerical(share_so_far(rasp.tokens == closing)).named("closed")
    return rasp.numerical(rasp.LinearSequenceMap(opened, closed, 1, -1)).named("surplus")


def check_pairs(pairs):
    balances = []
    for pair in pairs:
        assert len(pair) == 2
        opening, closing = pair
        balances.append(surplus(opening, closing).named(f"surplus_{pair}"))

    negative = balances[0] < 0
    for balance in balances[1:]:
        negative = negative | (balance < 0)
    negative = rasp.numerical(rasp.Map(lambda x: x, negative)).named("negative")
    everywhere = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.TRUE)
    share_negative = rasp.numerical(rasp.Aggregate(everywhere, negative, default=0))
    never_negative = rasp.Map(lambda x: x == 0, share_negative).named("never_negative")

    zero = rasp.Map(lambda x: x == 0, balances[0])
    for balance in balances[1:]:
        zero = zero & rasp.Map(lambda x: x == 0, balance)
    last = rasp.Select(rasp.indices, make_length() - 1, rasp.Comparison.EQ).named("last")
    zero_at_end = rasp.Aggregate(last, zero).named("zero_at_end")
    return zero_at_end & never_negative


def make_shuffle_dyck():
    return check_pairs(["()"]).named("shuffle_dyck")
