/*
 * codec_model.c -- models unfolded into tables that are looked up by slot, once in a process.
 */
#include "codec_model.h"

#include <pthread.h>
#include <string.h>

enum {
    STATES_ALL = 140, /* of all models; unfolding asserts it */
    BYTE_VALUES = 256,
    GATHER_SLACK = 4,
    GAPS = 64,     /* pairs have gaps below it */
    CHANGES = 256, /* and changes from -128 to 127 */
    VALUE_FROM = -256,
    VALUES = 1024
};

static uint32_t slots_all[STATES_ALL][MODEL_SUM];
static uint8_t next_all[STATES_ALL * BYTE_VALUES + GATHER_SLACK];
static uint16_t first_all[STATES_ALL][BYTE_VALUES];
static uint16_t cost_all[STATES_ALL][BYTE_VALUES];
static uint8_t likely_all[STATES_ALL];
static uint8_t symbol_of_value[CODEC_MODELS][VALUES];
static uint8_t symbol_of_pair[CODEC_MODELS][GAPS][CHANGES];
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
        first_all[row][symbol] = (uint16_t)slot;
        cost_all[row][symbol] = cost_of(frequency);
        if (cost_all[row][symbol] < cost_all[row][likely_all[row]])
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
    for (size_t symbol = 1; symbol < model->symbols; symbol++) {
        int value = model->values[symbol];
        if (model->gaps != NULL) {
            core_assert(model->gaps[symbol] >= 0 && model->gaps[symbol] < GAPS);
            core_assert(value >= -CHANGES / 2 && value < CHANGES / 2);
            symbol_of_pair[index][model->gaps[symbol]][value + CHANGES / 2] = (uint8_t)symbol;
        } else {
            core_assert(value >= VALUE_FROM && value < VALUE_FROM + VALUES);
            symbol_of_value[index][value - VALUE_FROM] = (uint8_t)symbol;
        }
    }
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
            .first = first_all[row],
            .cost = cost_all[row],
            .likely = likely_all + row,
        };
        unfold_symbols(model, index);
        for (size_t state = 0; state < model->states; state++, row++)
            unfold_state(model, state, row);
    }
}

const struct model_tables *model_find(unsigned number)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (number == 0 || number > CODEC_MODELS)
        return NULL;
    (void)pthread_once(&once, unfold); /* fails only where `once` is no such thing */
    return &tables_all[number - 1];
}

uint8_t model_symbol_of_value(const struct model_tables *tables, int64_t value)
{
    size_t index = (size_t)(tables - tables_all);
    return value >= VALUE_FROM && value < VALUE_FROM + VALUES
               ? symbol_of_value[index][value - VALUE_FROM]
               : 0;
}

uint8_t model_symbol_of_pair(const struct model_tables *tables, int64_t gap, int64_t change)
{
    size_t index = (size_t)(tables - tables_all);
    return gap >= 0 && gap < GAPS && change >= -CHANGES / 2 && change < CHANGES / 2
               ? symbol_of_pair[index][gap][change + CHANGES / 2]
               : 0;
}
