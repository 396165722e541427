"""models.py -- the models of coded arrays: what format-spec/models.md says of the numbers in models.txt."""

from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
import os

from native import zstd_content

SLOTS = 4_096
SYMBOLS_MAX = 256  # the escape among them
PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "format-spec", "models.txt")
WEIGHT_SIZES = (0, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1_024, 1_448, 2_048, 2_896, 4_096,
                5_793, 8_192, 11_585, 16_384, 23_170, 32_768, 46_341, 65_536)
OWN = 128  # added to the number of a model whose frequencies are a series' own
MEANINGS = {"values": ("values",), "pairs": ("gaps", "changes"), "rests": ("values",)}  # by kind
RUN_BITS_MAX = 12


@dataclass(frozen=True)
class Model:
    """What its lines say. Symbol s means `meanings[…][s - 1]`, in the order of MEANINGS; symbol 0 is the escape."""

    number: int
    kind: str
    start: int
    meanings: tuple
    classes: tuple
    next: tuple  # of each state, by class
    frequencies: tuple  # of each state, by symbol
    runs: tuple = ()  # of kind rests, of the symbols behind those of values: least length of a run of zeros, bits that follow

    def firsts(self, state):
        """The first slot of each symbol; of one that never comes, that of the next one."""
        return list(accumulate(self.frequencies[state], initial=0))[:-1]


class _Lines:
    """Lines of words, each asked for by its first word."""

    def __init__(self, text):
        self.lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]

    def is_next(self, name):
        return bool(self.lines) and self.lines[0][0] == name

    def take(self, name):
        if not self.is_next(name):
            raise ValueError(f"models: a line '{name}' expected before {self.lines[:1]}")
        return self.lines.pop(0)[1:]

    def numbers(self, name):
        return tuple(map(int, self.take(name)))

    def of_states(self, name):
        """The lines of states 0, 1, … without their own numbers."""
        states = []
        while self.is_next(name):
            state, *numbers = self.numbers(name)
            if state != len(states):
                raise ValueError(f"models: '{name}' of state {state}, of state {len(states)} expected")
            states.append(tuple(numbers))
        return tuple(states)


def _check(holds, model, sentence):
    if not holds:
        raise ValueError(f"model {model.number}: {sentence}")


def _check_model(model):
    symbols, states = 1 + len(model.meanings[0]) + len(model.runs), len(model.next)
    _check(2 <= symbols <= SYMBOLS_MAX, model, f"{symbols} symbols")
    told = symbols - 1 - len(model.runs)
    _check(all(len(meaning) == told for meaning in model.meanings), model, "gaps and changes of unequal length")
    _check(len(set(zip(*model.meanings))) == told and len(set(model.runs)) == len(model.runs), model, "two symbols mean the same")
    _check(all(length >= 1 and 0 <= bits <= RUN_BITS_MAX for length, bits in model.runs), model, "a run of no length, or of many bits")
    _check(model.kind != "pairs" or min(model.meanings[0]) >= 0, model, "a gap below 0")
    _check(len(model.classes) == symbols, model, f"{len(model.classes)} classes of {symbols} symbols")
    _check(states >= 1 and len(model.frequencies) == states, model, "not as many 'frequencies' as 'next'")
    _check(0 <= model.start < states, model, f"it starts in state {model.start} of {states}")
    classes = len(model.next[0])
    _check(all(0 <= one < classes for one in model.classes), model, f"a class that is not one of {classes}")
    for state, (following, frequencies) in enumerate(zip(model.next, model.frequencies)):
        _check(len(following) == classes and all(0 <= one < states for one in following), model,
               f"state {state} leads to no state for some class")
        _check(min(frequencies) >= 0 and sum(frequencies) == SLOTS, model, f"frequencies of state {state} do not add up")
        _check(1 <= frequencies[0] < SLOTS, model, f"the escape's frequency in state {state} is {frequencies[0]}")


def parse_models(text):
    """The models of a text, by number. ValueError: it does not hold what the page says."""
    lines, models = _Lines(text), {}
    while lines.lines:
        number, kind = lines.take("model")
        if int(number) in models or not 0 <= int(number) < OWN or kind not in MEANINGS:
            raise ValueError(f"model {number}: there twice, beyond {OWN - 1} or of the unknown kind '{kind}'")
        lines.take("name")
        start, = lines.numbers("start")
        meanings = tuple(lines.numbers(name) for name in MEANINGS[kind])
        lengths, bits = (lines.numbers("lengths"), lines.numbers("bits")) if kind == "rests" else ((), ())
        if len(lengths) != len(bits):
            raise ValueError(f"model {number}: lengths and bits of unequal length")
        classes, following = lines.numbers("classes"), lines.of_states("next")
        frequencies = tuple(told + (0,) * (len(classes) - len(told)) for told in lines.of_states("frequencies"))
        model = Model(int(number), kind, start, meanings, classes, following, frequencies, tuple(zip(lengths, bits)))
        _check(all(len(told) == len(classes) for told in frequencies), model, "more frequencies than symbols")
        _check_model(model)
        models[model.number] = model
    return models


@cache
def models():
    """Those of the format, by number."""
    with open(PATH, encoding="ascii") as file:
        return parse_models(file.read())


def slots_of_weights(weights):
    """How many slots each symbol has; without any weight the first one has all."""
    have, total = sum(weight > 0 for weight in weights), sum(WEIGHT_SIZES[weight] for weight in weights)
    slots = [1 + WEIGHT_SIZES[weight] * (SLOTS - have) // total if weight else 0 for weight in weights]
    slots[weights.index(max(weights))] += SLOTS - sum(slots)
    return slots


def read_own_models(c):
    """A series' own models, by number; the caller sees that the bytes end with them."""
    at = c.at
    numbers = list(c.take(c.u8()))
    c.check(numbers and numbers == sorted(set(numbers)) and set(numbers) <= set(models()), f"own models of {numbers}", at)
    bases, at = [models()[number] for number in numbers], c.at
    sizes = [len(base.next) * len(base.classes) for base in bases]
    weights = zstd_content(c.take(c.varint()), sum(sizes))
    c.check(weights is not None and max(weights) < len(WEIGHT_SIZES), f"no Zstandard frame of {sum(sizes)} weights", at)
    own, first = {}, 0
    for base in bases:
        frequencies = []
        for state in range(len(base.next)):
            of_state = list(weights[first:first + len(base.classes)])
            first += len(base.classes)
            c.check((of_state[0] > 0) == any(of_state[1:]), f"model {base.number}: weights of state {state} without, or only, the escape", at)
            frequencies.append(tuple(slots_of_weights(of_state)) if any(of_state) else base.frequencies[state])
        own[OWN + base.number] = replace(base, number=OWN + base.number, frequencies=tuple(frequencies))
    return own
