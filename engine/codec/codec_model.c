/*
 * codec_model.c -- models unfolded into tables that are looked up by slot: the built-in ones once in a
 * process, own ones of a series for whoever asks.
 */
#include "codec_lanes.h"
#include "codec_model.h"

#include "codec_impl.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    BYTE_VALUES = 256,
    GATHER_SLACK = 4,
};

static uint32_t slots_all[MODEL_STATES][MODEL_SUM];
static uint8_t next_all[MODEL_STATES * BYTE_VALUES + GATHER_SLACK];
static uint32_t ranges_all[MODEL_STATES][BYTE_VALUES];
static uint16_t cost_all[MODEL_STATES][BYTE_VALUES];
static uint8_t likely_all[MODEL_STATES];
static uint8_t of_value_all[CODEC_MODELS][MODEL_VALUES];
static uint8_t of_pair_all[CODEC_MODELS][MODEL_GAPS * MODEL_CHANGES];
static uint8_t gap_of_all[CODEC_MODELS][BYTE_VALUES];
static int8_t change_of_all[CODEC_MODELS][BYTE_VALUES];
static struct model_tables tables_all[CODEC_MODELS];

/* ---- frequencies ----------------------------------------------------------------------------- */

/* Stored, by weight: steps of the square root of 2. */
static const uint32_t sizes[MODEL_WEIGHTS] = {
    0,    2,    3,    4,    6,     8,     11,    16,    23,    32,   45,
    64,   91,   128,  181,  256,   362,   512,   724,   1024,  1448, 2048,
    2896, 4096, 5793, 8192, 11585, 16384, 23170, 32768, 46341, 65536
};

uint8_t model_weight(uint64_t count, uint64_t most, uint8_t top)
{
    static const unsigned near[2] = { 6, 5 }; /* a weight may be so many times too large */
    uint8_t weight = top;
    while (weight > 1 && sizes[weight] * most * near[1] > count * sizes[top] * near[0])
        weight--;
    return weight;
}

/* Symbols that come, rising, and their slots. */
struct shares {
    uint16_t symbols[MODEL_SYMBOLS_MAX], slots[MODEL_SYMBOLS_MAX];
    size_t count;
};

/* Each symbol that has a weight gets a slot, and its share of the others; what is left of them goes to the
   first of the greatest weight. */
static void share(struct shares *shares, const uint8_t *weights, size_t symbols)
{
    uint32_t sum = 0;
    uint8_t top = 0;
    shares->count = codec_places(shares->symbols, weights, symbols);
    for (size_t i = 0; i < shares->count; i++) {
        uint8_t weight = weights[shares->symbols[i]];
        sum += sizes[weight];
        top = weight > top ? weight : top;
    }
    if (shares->count == 0) {
        *shares = (struct shares){ .slots = { MODEL_SUM }, .count = 1 };
        return;
    }
    uint16_t slots[MODEL_WEIGHTS] = { 0 };
    for (size_t w = 1; w <= top; w++)
        slots[w] = (uint16_t)(1 + sizes[w] * (MODEL_SUM - (uint32_t)shares->count) / sum);
    size_t greatest = shares->count;
    uint32_t left = MODEL_SUM;
    for (size_t i = shares->count; i-- > 0;) {
        uint8_t weight = weights[shares->symbols[i]];
        shares->slots[i] = slots[weight];
        left -= slots[weight];
        greatest = weight == top ? i : greatest;
    }
    shares->slots[greatest] = (uint16_t)(shares->slots[greatest] + left);
}

void model_share_slots(uint16_t *first, const uint8_t *weights, size_t symbols)
{
    struct shares shares;
    uint16_t slot = 0;
    size_t s = 0;
    share(&shares, weights, symbols);
    for (size_t i = 0; i < shares.count; i++) {
        for (; s <= shares.symbols[i]; s++)
            first[s] = slot;
        slot = (uint16_t)(slot + shares.slots[i]);
    }
    for (; s <= symbols; s++)
        first[s] = slot;
    core_assert(slot == MODEL_SUM);
}

/* By squaring, a bit of it at a time. */
uint16_t model_cost(uint16_t frequency)
{
    if (frequency == 0)
        return UINT16_MAX;
    unsigned whole = 0;
    while (frequency >> (whole + 1) != 0)
        whole++;
    uint64_t mantissa = ((uint64_t)frequency << 32) >> whole; /* 1 to 2, in 2^-32 */
    unsigned log = whole << MODEL_COST_BITS;
    for (unsigned bit = 1u << (MODEL_COST_BITS - 1); bit > 0; bit >>= 1) {
        mantissa = (mantissa >> 1) * (mantissa >> 1) >> 30;
        if (mantissa >> 33 != 0) {
            log += bit;
            mantissa >>= 1;
        }
    }
    return (uint16_t)((MODEL_SUM_BITS << MODEL_COST_BITS) - log);
}

/* ---- unfolding ------------------------------------------------------------------------------- */

/* Rows of tables, a row for each state. */
struct rows {
    uint32_t *slots, *ranges;
    uint16_t *cost;
    uint8_t *likely;
};

static void unfold_state(const struct rows *to, size_t row, const struct shares *shares)
{
    size_t sum = 0;
    for (size_t i = 0; i < shares->count; i++)
        sum += shares->slots[i];
    core_assert(sum == MODEL_SUM);
    core_assert(shares->count > 1);
    core_assert(shares->symbols[0] == 0);
    codec_lanes()->unfold(to->slots + row * MODEL_SUM, shares->symbols, shares->slots,
                          shares->count);
}

/* What only encoding asks for. */
static void unfold_ranges(const struct rows *to, size_t row, const uint16_t *first, size_t symbols)
{
    uint32_t *ranges = to->ranges + row * BYTE_VALUES;
    uint16_t *cost = to->cost + row * BYTE_VALUES;
    uint8_t likely = 0;
    for (size_t symbol = 0; symbol < BYTE_VALUES; symbol++) {
        uint32_t slot = first[symbol < symbols ? symbol : symbols];
        uint32_t frequency = symbol < symbols ? first[symbol + 1] - slot : 0;
        ranges[symbol] = slot | frequency << 16;
        cost[symbol] = model_cost((uint16_t)frequency);
        if (frequency > ranges[likely] >> 16)
            likely = (uint8_t)symbol;
    }
    to->likely[row] = likely;
}

static void unfold_built_in(const struct codec_model *model, size_t state, size_t row)
{
    const struct rows to = { slots_all[0], ranges_all[0], cost_all[0], likely_all };
    uint16_t first[MODEL_SYMBOLS_MAX + 1] = { 0 };
    struct shares shares = { .count = 0 };
    for (size_t symbol = 0; symbol < model->symbols; symbol++) {
        uint16_t frequency = model->frequencies[state * model->symbols + symbol];
        first[symbol + 1] = (uint16_t)(first[symbol] + frequency);
        shares.symbols[shares.count] = (uint16_t)symbol;
        shares.slots[shares.count] = frequency;
        shares.count += frequency != 0;
    }
    unfold_state(&to, row, &shares);
    unfold_ranges(&to, row, first, model->symbols);
    for (size_t symbol = 0; symbol < BYTE_VALUES; symbol++) {
        uint8_t class = model->class_of[symbol < model->symbols ? symbol : 0];
        next_all[row * BYTE_VALUES + symbol] = model->next[state * model->classes + class];
    }
}

static void unfold_symbols(const struct codec_model *model, size_t index)
{
    bool gaps_rise = model->gaps != NULL;
    for (size_t symbol = 1; symbol < model->symbols; symbol++) {
        int value = model->values[symbol];
        core_assert(model->lengths == NULL || model->bits[symbol] <= MODEL_SUM_BITS);
        if (model->gaps != NULL) {
            int gap = model->gaps[symbol];
            gaps_rise = gaps_rise && gap > 0;
            core_assert(gap >= 0);
            core_assert(gap < MODEL_GAPS);
            core_assert(value >= -MODEL_CHANGES / 2);
            core_assert(value < MODEL_CHANGES / 2);
            of_pair_all[index][gap * MODEL_CHANGES + value + MODEL_CHANGES / 2] = (uint8_t)symbol;
            gap_of_all[index][symbol] = (uint8_t)gap;
            change_of_all[index][symbol] = (int8_t)value;
        } else if (model->lengths == NULL || model->lengths[symbol] == 0) {
            core_assert(value >= MODEL_VALUE_FROM);
            core_assert(value < MODEL_VALUE_FROM + MODEL_VALUES);
            of_value_all[index][value - MODEL_VALUE_FROM] = (uint8_t)symbol;
        }
    }
    tables_all[index].gaps_rise = gaps_rise;
}

static bool next_is_by_symbol(const uint8_t *next, const struct codec_model *model)
{
    for (size_t i = 0; i < (size_t)model->states * BYTE_VALUES; i++) {
        if (i % BYTE_VALUES < model->symbols && next[i] != next[i % BYTE_VALUES])
            return false;
    }
    return true;
}

static void unfold(size_t index)
{
    const struct codec_model *model = &codec_models[index];
    size_t row = 0;
    for (size_t i = 0; i < index; i++)
        row += codec_models[i].states;
    core_assert(row + model->states <= MODEL_STATES);
    core_assert(model->symbols <= MODEL_SYMBOLS_MAX);
    tables_all[index] = (struct model_tables){
        .model = model,
        .row = row,
        .slots = slots_all[row],
        .next = next_all + row * BYTE_VALUES,
        .ranges = ranges_all[row],
        .cost = cost_all[row],
        .likely = likely_all + row,
        .of_value = of_value_all[index],
        .of_pair = of_pair_all[index],
        .gap_of = gap_of_all[index],
        .change_of = change_of_all[index],
    };
    unfold_symbols(model, index);
    for (size_t state = 0; state < model->states; state++, row++)
        unfold_built_in(model, state, row);
    tables_all[index].next_by_symbol = next_is_by_symbol(tables_all[index].next, model);
}

/* Whoever comes first unfolds; who comes meanwhile waits that part of a millisecond. */
static void unfold_once(size_t index)
{
    enum { NOT_YET, AT_IT, DONE };
    static atomic_int progress_all[CODEC_MODELS];
    atomic_int *progress = &progress_all[index];
    int expected = NOT_YET;
    if (CORE_LIKELY(atomic_load_explicit(progress, memory_order_acquire) == DONE))
        return;
    if (atomic_compare_exchange_strong(progress, &expected, AT_IT)) {
        unfold(index);
        atomic_store_explicit(progress, DONE, memory_order_release);
    }
    while (atomic_load_explicit(progress, memory_order_acquire) != DONE)
        ;
}

const struct model_tables *model_find(unsigned number)
{
    if (number == 0 || number > CODEC_MODELS)
        return NULL;
    unfold_once(number - 1);
    return &tables_all[number - 1];
}

/* Memory for so many bytes, of which none says anything yet: *memory as it was where it has them. */
static bool make_room(void **memory, size_t *bytes, size_t needed)
{
    if (*bytes == needed)
        return true;
    if (*memory != NULL)
        codec_wipe(*memory, *bytes);
    free(*memory);
    *memory = calloc(needed, 1);
    *bytes = *memory != NULL ? needed : 0;
    return *memory != NULL;
}

bool model_unfold_slots(struct model_tables *out, void **memory, size_t *bytes,
                        const struct model_tables *base, const uint8_t *weights)
{
    enum { SLOTS_BYTES = MODEL_SUM * sizeof *base->slots };
    size_t states = base->model->states;
    size_t symbols = base->model->symbols;
    if (!make_room(memory, bytes, states * (SLOTS_BYTES + 1)))
        return false;
    const struct rows to = { .slots = *memory };
    uint8_t *is_base =
        (uint8_t *)*memory + states * SLOTS_BYTES; /* whether a state's slots are the base's now */
    for (size_t state = 0; state < states; state++, weights += symbols) {
        struct shares shares;
        if (weights[0] != 0) {
            share(&shares, weights, symbols);
            unfold_state(&to, state, &shares);
        } else if (!is_base[state]) {
            memcpy(to.slots + state * MODEL_SUM, base->slots + state * MODEL_SUM, SLOTS_BYTES);
        }
        is_base[state] = weights[0] == 0;
    }
    *out = *base;
    out->slots = to.slots;
    out->ranges = NULL;
    out->cost = NULL;
    out->likely = NULL;
    return true;
}

bool model_unfold_ranges(struct model_tables *out, void **memory, size_t *bytes,
                         const struct model_tables *base, const uint8_t *weights)
{
    enum {
        RANGES_BYTES = BYTE_VALUES * sizeof *base->ranges,
        COST_BYTES = BYTE_VALUES * sizeof *base->cost
    };
    size_t states = base->model->states;
    size_t symbols = base->model->symbols;
    if (!make_room(memory, bytes, states * (RANGES_BYTES + COST_BYTES + 1)))
        return false;
    struct rows to = { .ranges = *memory };
    to.cost = (uint16_t *)(to.ranges + states * BYTE_VALUES);
    to.likely = (uint8_t *)(to.cost + states * BYTE_VALUES);
    for (size_t state = 0; state < states; state++, weights += symbols) {
        uint16_t first[MODEL_SYMBOLS_MAX + 1];
        size_t at = state * BYTE_VALUES;
        if (weights[0] != 0) {
            model_share_slots(first, weights, symbols);
            unfold_ranges(&to, state, first, symbols);
        } else {
            memcpy(to.ranges + at, base->ranges + at, RANGES_BYTES);
            memcpy(to.cost + at, base->cost + at, COST_BYTES);
            to.likely[state] = base->likely[state];
        }
    }
    *out = *base;
    out->slots = NULL;
    out->ranges = to.ranges;
    out->cost = to.cost;
    out->likely = to.likely;
    return true;
}
