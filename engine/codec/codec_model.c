/*
 * codec_model.c -- models unfolded into tables that are looked up by slot, once in a process.
 */
#include "codec_model.h"

#include <stdatomic.h>

enum {
    STATES_ALL = 216, /* of all models; unfolding asserts it */
    BYTE_VALUES = 256,
    GATHER_SLACK = 4,
};

static uint32_t slots_all[STATES_ALL][MODEL_SUM];
static uint8_t next_all[STATES_ALL * BYTE_VALUES + GATHER_SLACK];
static uint32_t ranges_all[STATES_ALL][BYTE_VALUES];
static uint16_t cost_all[STATES_ALL][BYTE_VALUES];
static uint8_t likely_all[STATES_ALL];
static uint8_t of_value_all[CODEC_MODELS][MODEL_VALUES];
static uint8_t of_pair_all[CODEC_MODELS][MODEL_GAPS * MODEL_CHANGES];
static uint8_t gap_of_all[CODEC_MODELS][BYTE_VALUES];
static int8_t change_of_all[CODEC_MODELS][BYTE_VALUES];
static struct model_tables tables_all[CODEC_MODELS];

/* log2(2^12 / frequency) in 1/256 bit, rounded down: by squaring, a bit of it at a time. */
static uint16_t cost_of(uint16_t frequency)
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

static void unfold_state(const struct codec_model *model, size_t state, size_t row)
{
    const uint16_t *frequencies = model->frequencies + state * model->symbols;
    size_t slot = 0;
    for (size_t symbol = 0; symbol < BYTE_VALUES; symbol++) {
        uint16_t frequency = symbol < model->symbols ? frequencies[symbol] : 0;
        uint8_t class = model->class_of[symbol < model->symbols ? symbol : 0];
        next_all[row * BYTE_VALUES + symbol] = model->next[state * model->classes + class];
        ranges_all[row][symbol] = (uint32_t)slot | (uint32_t)frequency << 16;
        cost_all[row][symbol] = cost_of(frequency);
        if (frequency > ranges_all[row][likely_all[row]] >> 16)
            likely_all[row] = (uint8_t)symbol;
        for (size_t i = 0; i < frequency; i++)
            slots_all[row][slot + i] =
                (uint32_t)symbol | (uint32_t)frequency << 8 | (uint32_t)i << 20;
        slot += frequency;
    }
    core_assert(slot == MODEL_SUM);
    core_assert(frequencies[0] > 0);
    core_assert(frequencies[0] < MODEL_SUM);
}

static void unfold_symbols(const struct codec_model *model, size_t index)
{
    bool gaps_rise = model->gaps != NULL;
    for (size_t symbol = 1; symbol < model->symbols; symbol++) {
        int value = model->values[symbol];
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
        } else {
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

static void unfold(void)
{
    size_t row = 0;
    for (size_t index = 0; index < CODEC_MODELS; index++) {
        const struct codec_model *model = &codec_models[index];
        core_assert(row + model->states <= STATES_ALL);
        core_assert(model->symbols <= MODEL_SYMBOLS_MAX);
        tables_all[index] = (struct model_tables){
            .model = model,
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
            unfold_state(model, state, row);
        tables_all[index].next_by_symbol = next_is_by_symbol(tables_all[index].next, model);
    }
}

/* Whoever comes first unfolds; who comes meanwhile waits those few milliseconds. */
static void unfold_once(void)
{
    enum { NOT_YET, AT_IT, DONE };
    static atomic_int progress;
    int expected = NOT_YET;
    if (CORE_LIKELY(atomic_load_explicit(&progress, memory_order_acquire) == DONE))
        return;
    if (atomic_compare_exchange_strong(&progress, &expected, AT_IT)) {
        unfold();
        atomic_store_explicit(&progress, DONE, memory_order_release);
    }
    while (atomic_load_explicit(&progress, memory_order_acquire) != DONE)
        ;
}

const struct model_tables *model_find(unsigned number)
{
    if (number == 0 || number > CODEC_MODELS)
        return NULL;
    unfold_once();
    return &tables_all[number - 1];
}
