"""How often the token at each position occurs. Something is compared the wrong way."""
from tracr.rasp import rasp


def make_hist():
    same_token = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.LT).named("same_token")
    return rasp.SelectorWidth(same_token).named("hist")


#: "bbacc" -> [2, 2, 1, 2, 2]
#: "adbaac" -> [3, 1, 1, 3, 3, 1]
#: "ca" -> [1, 1]
#: "acd" -> [1, 1, 1]
#: "aaad" -> [3, 3, 3, 1]
#: "aaccbd" -> [2, 2, 2, 2, 1, 1]
#: "baaddb" -> [2, 2, 2, 2, 2, 2]
#: "bcbcadba" -> [3, 2, 3, 2, 2, 1, 3, 2]
#: "ddbbdc" -> [3, 3, 2, 2, 3, 1]
#: "aa" -> [2, 2]
#: "bddbbd" -> [3, 3, 3, 3, 3, 3]
#: "dbcbcb" -> [1, 3, 2, 3, 2, 3]
#: "baaacda" -> [1, 4, 4, 4, 1, 1, 4]
#: "cddcbd" -> [2, 3, 3, 2, 1, 3]
