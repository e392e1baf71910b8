"""English verbs whose past forms no stemmer takes back to the verb.

Questions ask "when did they meet", documents say "they met".
"""

from __future__ import annotations

# A verb and its past forms. Left out are forms that are a verb or a noun of their own ("saw", "lay", "found").
_IRREGULAR = """
arise arose arisen, awake awoke awoken, beat beaten, become became, begin began begun, bend bent,
bite bit bitten, blow blew blown, break broke broken, breed bred, bring brought, build built, burn burnt,
buy bought, catch caught, choose chose chosen, come came, creep crept, deal dealt, dig dug, draw drew drawn,
drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen, feed fed, feel felt, fight fought,
flee fled, fly flew flown, forbid forbade forbidden, forget forgot forgotten, freeze froze frozen,
get got gotten, give gave given, go went gone, grow grew grown, hang hung, hear heard, hide hid hidden,
hold held, keep kept, know knew known, lead led, leave left, lend lent, lose lost, make made, mean meant,
meet met, overcome overcame, pay paid, ride rode ridden, ring rang rung, rise rose risen, run ran, say said,
see seen, seek sought, sell sold, send sent, shake shook shaken, shine shone, shoot shot, show shown,
sing sang sung, sink sank sunk, sit sat, sleep slept, speak spoke spoken, spend spent, spin spun, stand stood,
steal stole stolen, stick stuck, strike struck stricken, swear swore sworn, swim swam swum, swing swung,
take took taken, teach taught, tear tore torn, tell told, think thought, throw threw thrown,
understand understood, undertake undertook undertaken, wake woke woken, wear wore worn, weave wove woven,
win won, withdraw withdrew withdrawn, write wrote written
"""

PAST_FORMS = {form: verb for verb, *forms in (entry.split() for entry in _IRREGULAR.split(",")) for form in forms}
"""Past form to verb, both as they are written."""
