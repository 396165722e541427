/*
 * codec_spell.c -- spells: intervals of a few values, such as the stages of sleep, as symbols of a
 * model that a block brings along.
 *
 *     | values | step | classes | weights | state | words | lows |
 *
 * A row is two symbols, or three. The first tells its value, and whether there was a pause before it; it is
 * known by the value before. Then come the pause, if there was one, and the duration, each as a class of numbers;
 * durations are known by their row's value. A number from 8 on is told by its two upper bits and how
 * many follow; these are stored as they are, behind all symbols.
 *
 * What people sleep like is told by no model of the format: the block has the weights of its symbols,
 * four bits each, in steps of the square root of 2. A single lane of rANS (codec_rans.h) suffices, as such blocks
 * are few.
 *
 * Bytes: format-spec/blocks.md, "Spells". Tests: tests/unit/test_codec_cold.c.
 */
#include "codec_cold.h"

enum {
    VALUES_MAX = 16,   /* stored */
    CLASSES_MAX = 128, /* stored: so classes hold 63 bits */
    STATES_MAX = 2 * VALUES_MAX + 1,
    EXACT_BITS = 3, /* stored: numbers of so many bits are classes of their own */
    EXACT = 1 << EXACT_BITS,
    WEIGHTS = 16,
    WEIGHT_BITS = 4,
    SPELLS_LEAST = 16, /* fewer rows are not worth weights */
    LOOK_SHIFT = 5,    /* slots of an entry of a table that tells where to look */
    LOOKS = MODEL_SUM >> LOOK_SHIFT
};

/* ---- classes of numbers ---------------------------------------------------------------------- */

static unsigned class_low_bits(unsigned class)
{
    return class < EXACT ? 0 : EXACT_BITS - 1 + (class - EXACT) / 2;
}

static uint64_t class_first(unsigned class)
{
    return class < EXACT ? class : (uint64_t)(2 + (class - EXACT) % 2) << class_low_bits(class);
}

/* Of a number below 2^63. */
static unsigned class_of(uint64_t number)
{
    if (number < EXACT)
        return (unsigned)number;
    unsigned low_bits = bits_of(number) - 2;
    return EXACT + 2 * (low_bits - EXACT_BITS + 1) + (unsigned)(number >> low_bits & 1);
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* States: of a value, after one; of the pause; of a duration, in a value. */
struct machine {
    unsigned values, classes;
    uint16_t first[STATES_MAX]
                  [CLASSES_MAX + 1]; /* slot of each symbol, and of what is behind the last */
};

static unsigned pause_state(const struct machine *m)
{
    return m->values;
}

static unsigned duration_state(const struct machine *m, unsigned value)
{
    return m->values + 1 + value;
}

static unsigned states_of(const struct machine *m)
{
    return 2 * m->values + 1;
}

static unsigned symbols_in(const struct machine *m, unsigned state)
{
    return state < m->values ? 2 * m->values : m->classes;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct spells {
    const int64_t *time, *duration, *value;
    size_t count;
    uint64_t step; /* of pauses and durations, in nanoseconds */
    int64_t values[VALUES_MAX];
    struct machine machine;
};

static uint64_t pause_before(const struct spells *s, size_t i)
{
    return i == 0 ? 0
                  : (uint64_t)s->time[i] - (uint64_t)s->time[i - 1] - (uint64_t)s->duration[i - 1];
}

static uint64_t common_step(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Its place in the list; where it is not there it is put there if there is room. VALUES_MAX: there is none. */
static unsigned value_index(struct spells *s, int64_t value)
{
    unsigned at = 0;
    while (at < s->machine.values && s->values[at] != value)
        at++;
    if (at == s->machine.values && at < VALUES_MAX)
        s->values[s->machine.values++] = value;
    return at;
}

/* False: these rows overlap, have many values or a pause of centuries, or are of one duration. */
static bool spells_survey(struct spells *s)
{
    s->step = 0;
    if (codec_is_constant(s->duration, s->count))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t since = i == 0 ? 0 : (uint64_t)s->time[i] - (uint64_t)s->time[i - 1];
        if (value_index(s, s->value[i]) == VALUES_MAX ||
            (i > 0 && since < (uint64_t)s->duration[i - 1]) || pause_before(s, i) > INT64_MAX)
            return false;
        s->step = common_step(s->step, (uint64_t)s->duration[i]);
        s->step = common_step(s->step, pause_before(s, i));
    }
    return true; /* some duration is not 0 */
}

/* Symbols with their states, and weights. */
static size_t spells_symbols(struct spells *s, struct spell_symbol *out,
                             uint8_t of[STATES_MAX][CLASSES_MAX])
{
    uint32_t counts[STATES_MAX][CLASSES_MAX] = { 0 };
    struct machine *m = &s->machine;
    size_t count = 0;
    unsigned before = 0;
    m->classes = 1;
    for (size_t i = 0; i < s->count; i++) {
        unsigned value = value_index(s, s->value[i]);
        uint64_t pause = pause_before(s, i) / s->step;
        unsigned lasts = class_of((uint64_t)s->duration[i] / s->step);
        out[count++] = (struct spell_symbol){ (uint8_t)before, (uint8_t)(2 * value + (pause > 0)) };
        if (pause > 0)
            out[count++] =
                (struct spell_symbol){ (uint8_t)pause_state(m), (uint8_t)class_of(pause) };
        if (pause > 0 && class_of(pause) >= m->classes)
            m->classes = class_of(pause) + 1;
        out[count++] = (struct spell_symbol){ (uint8_t)duration_state(m, value), (uint8_t)lasts };
        m->classes = lasts >= m->classes ? lasts + 1 : m->classes;
        before = value;
    }
    for (size_t i = 0; i < count; i++)
        counts[out[i].state][out[i].symbol]++;
    for (unsigned state = 0; state < states_of(m); state++) {
        uint64_t most = 0;
        for (unsigned symbol = 0; symbol < symbols_in(m, state); symbol++)
            most = counts[state][symbol] > most ? counts[state][symbol] : most;
        for (unsigned symbol = 0; symbol < symbols_in(m, state); symbol++)
            of[state][symbol] = counts[state][symbol] == 0
                                    ? 0
                                    : model_weight(counts[state][symbol], most, WEIGHTS - 1);
    }
    return count;
}

/* The words of a single lane, from the last symbol on. */
static uint32_t spells_code(const struct machine *m, const struct spell_symbol *symbols,
                            size_t count, uint16_t *words, size_t *word_count)
{
    uint64_t x = RANS_LEAST;
    *word_count = 0;
    for (size_t i = count; i-- > 0;) {
        const uint16_t *first = &m->first[symbols[i].state][symbols[i].symbol];
        uint64_t frequency = (uint64_t)first[1] - first[0];
        if (x >= frequency << (RANS_STATE_BITS - MODEL_SUM_BITS)) {
            words[(*word_count)++] = (uint16_t)x;
            x >>= 16;
        }
        x = (x / frequency << MODEL_SUM_BITS) + first[0] + x % frequency;
    }
    return (uint32_t)x;
}

struct low_bits {
    struct buffer *out;
    uint64_t waiting;
    unsigned count;
};

static void append_low(struct low_bits *bits, uint64_t number)
{
    for (unsigned left = class_low_bits(class_of(number)); left > 0;) {
        unsigned some = left < 8 ? left : 8;
        bits->waiting |= (number & ((1U << some) - 1)) << bits->count;
        bits->count += some;
        number >>= some;
        left -= some;
        if (bits->count < 8)
            continue;
        buffer_append_u8(bits->out, (uint8_t)bits->waiting);
        bits->waiting >>= 8;
        bits->count -= 8;
    }
}

static void spells_append(struct buffer *out, struct spells *s, struct spell_scratch *scratch)
{
    uint8_t of[STATES_MAX][CLASSES_MAX] = { 0 };
    size_t words;
    struct machine *m = &s->machine;
    size_t count = spells_symbols(s, scratch->symbols, of);
    for (unsigned state = 0; state < states_of(m); state++)
        model_share_slots(m->first[state], of[state], symbols_in(m, state));
    uint32_t x = spells_code(m, scratch->symbols, count, scratch->words, &words);
    buffer_append_u8(out, (uint8_t)m->values);
    for (unsigned v = 0; v < m->values; v++)
        buffer_append_zigzag(out, s->values[v]);
    buffer_append_varint(out, s->step);
    buffer_append_u8(out, (uint8_t)m->classes);
    for (unsigned state = 0; state < states_of(m); state++) /* behind the last symbol is a 0 */
        for (unsigned symbol = 0; symbol < symbols_in(m, state); symbol += 2)
            buffer_append_u8(out,
                             (uint8_t)(of[state][symbol] | of[state][symbol + 1] << WEIGHT_BITS));
    buffer_append_u32(out, x);
    buffer_append_varint(out, words);
    while (words > 0)
        buffer_append_u16(out, scratch->words[--words]);
    struct low_bits lows = { .out = out };
    for (size_t i = 0; i < s->count; i++) {
        append_low(&lows, pause_before(s, i) / s->step);
        append_low(&lows, (uint64_t)s->duration[i] / s->step);
    }
    if (lows.count > 0)
        buffer_append_u8(out, (uint8_t)lows.waiting);
}

bool spells_encode(struct buffer *out, struct codec_scratch *scratch, const int64_t *time,
                   const int64_t *duration, const int64_t *value, size_t count)
{
    struct spells s = { .time = time, .duration = duration, .value = value, .count = count };
    if (count < SPELLS_LEAST || !spells_survey(&s))
        return false;
    spells_append(out, &s, &scratch->spells);
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct spell_reader {
    struct machine machine;
    int64_t values[VALUES_MAX];
    uint8_t look[STATES_MAX][LOOKS]; /* the symbol that has the first slot of each part */
    uint32_t x;
    const uint8_t *words, *words_end;
    bool is_short; /* there were too few words */
};

static bool read_machine(struct spell_reader *s, struct reader *r)
{
    struct machine *m = &s->machine;
    uint8_t of[CLASSES_MAX];
    m->classes = get_u8(r);
    if (r->overrun || m->classes == 0 || m->classes > CLASSES_MAX)
        return false;
    for (unsigned state = 0; state < states_of(m); state++) {
        unsigned symbols = symbols_in(m, state);
        const uint8_t *pairs = get_bytes(r, (symbols + 1) / 2);
        if (pairs == NULL)
            return false;
        for (unsigned i = 0; i < symbols; i++)
            of[i] = pairs[i / 2] >> (i % 2 * WEIGHT_BITS) & (WEIGHTS - 1);
        model_share_slots(m->first[state], of, symbols);
        for (unsigned symbol = 0, look = 0; symbol < symbols; symbol++)
            for (; look << LOOK_SHIFT < m->first[state][symbol + 1]; look++)
                s->look[state][look] = (uint8_t)symbol;
    }
    return true;
}

static bool read_words(struct spell_reader *s, struct reader *r)
{
    s->x = get_u32(r);
    uint64_t words = get_varint(r);
    if (r->overrun || s->x < RANS_LEAST || s->x >> RANS_STATE_BITS != 0 ||
        words > r->left / RANS_WORD_BYTES)
        return false;
    s->words = get_bytes(r, (size_t)words * RANS_WORD_BYTES);
    s->words_end = s->words + words * RANS_WORD_BYTES;
    return true;
}

static unsigned next_symbol(struct spell_reader *s, unsigned state)
{
    const uint16_t *first = s->machine.first[state];
    uint32_t slot = s->x & (MODEL_SUM - 1);
    unsigned symbol = s->look[state][slot >> LOOK_SHIFT];
    while (first[symbol + 1] <= slot)
        symbol++;
    s->x = (uint32_t)(first[symbol + 1] - first[symbol]) * (s->x >> MODEL_SUM_BITS) + slot -
           first[symbol];
    if (s->x >= RANS_LEAST)
        return symbol;
    if (s->words == s->words_end) {
        s->is_short = true;
        return symbol;
    }
    s->x = s->x << 16 | s->words[0] | (uint32_t)s->words[1] << 8;
    s->words += RANS_WORD_BYTES;
    return symbol;
}

/* Values; classes of pauses go to `time`, those of durations to `duration`. *low_bits: what they ask for. */
static bool read_symbols(struct spell_reader *s, int64_t *time, int64_t *duration, int64_t *value,
                         size_t count, size_t *low_bits)
{
    unsigned index = 0;
    *low_bits = 0;
    for (size_t i = 0; i < count && !s->is_short; i++) {
        unsigned symbol = next_symbol(s, index);
        bool is_after_pause = symbol % 2 != 0;
        if (is_after_pause && i == 0)
            return false;
        index = symbol / 2;
        unsigned pause = is_after_pause ? next_symbol(s, pause_state(&s->machine)) : 0;
        unsigned lasts = next_symbol(s, duration_state(&s->machine, index));
        value[i] = s->values[index];
        time[i] = pause;
        duration[i] = lasts;
        *low_bits += class_low_bits(pause) + class_low_bits(lasts);
    }
    return !s->is_short && s->x == RANS_LEAST && s->words == s->words_end;
}

static uint64_t take_number(const uint8_t *bytes, size_t *at, unsigned class)
{
    unsigned low_bits = class_low_bits(class);
    uint64_t low = 0;
    for (unsigned have = 0; have < low_bits;) {
        unsigned from = *at % 8;
        unsigned some = low_bits - have < 8 - from ? low_bits - have : 8 - from;
        low |= (uint64_t)(bytes[*at / 8] >> from & ((1U << some) - 1)) << have;
        have += some;
        *at += some;
    }
    return class_first(class) + low;
}

bool spells_decode(int64_t *time, int64_t *duration, int64_t *value, struct reader *r, size_t count,
                   int64_t begin)
{
    struct spell_reader s; /* its tables are as large as values and classes ask for */
    s.is_short = false;
    size_t low_bits;
    s.machine.values = get_u8(r);
    if (r->overrun || s.machine.values == 0 || s.machine.values > VALUES_MAX)
        return false;
    for (unsigned v = 0; v < s.machine.values; v++)
        s.values[v] = get_zigzag(r);
    uint64_t step = get_varint(r);
    if (r->overrun || step == 0 || !read_machine(&s, r) || !read_words(&s, r) ||
        !read_symbols(&s, time, duration, value, count, &low_bits))
        return false;
    const uint8_t *lows = get_bytes(r, (low_bits + 7) / 8);
    if (lows == NULL)
        return false;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t pause, lasts;
        if (!checked_mul_u64(&pause, take_number(lows, &at, (unsigned)time[i]), step) ||
            !checked_mul_u64(&lasts, take_number(lows, &at, (unsigned)duration[i]), step) ||
            lasts > INT64_MAX)
            return false;
        duration[i] = (int64_t)lasts;
        time[i] = begin;
        if (i == 0)
            continue;
        uint64_t room = (uint64_t)INT64_MAX - 1 - (uint64_t)time[i - 1];
        if ((uint64_t)duration[i - 1] > room || pause > room - (uint64_t)duration[i - 1])
            return false;
        time[i] = (int64_t)((uint64_t)time[i - 1] + (uint64_t)duration[i - 1] + pause);
    }
    return true;
}
