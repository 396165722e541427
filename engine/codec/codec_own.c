/*
 * codec_own.c -- a series' own models: learned from what its blocks were coded as, stored once beside
 * them, and unfolded again by whoever decodes them.
 *
 *     | count | numbers of built-in models | bytes | Zstandard frame of weights |
 *
 * An own model is the machine of a built-in one with other frequencies: a device tells gaps and changes in
 * its own way, while what follows what is much the same. Each state of it has weights (codec_model.h) where these save
 * more than they take, or stays as it is.
 *
 * Bytes: format-spec/models.md, "Own models". Tests: tests/unit/test_codec_own.c.
 */
#include "codec_cold.h"

#include <stdlib.h>
#include <string.h>

enum {
    WEIGHT_TOP = MODEL_WEIGHTS - 1,
    WEIGHT_BITS = 5,    /* about what a weight takes */
    STATE_BITS = 64,    /* and all that are 0 */
    SYMBOLS_LEAST = 64, /* of a state that is looked at */
    GAIN_MIN = 256,     /* bytes that a model saves, at least .. */
    GAIN_SHARE = 128,   /* .. and so many of those that the blocks took */
    ZSTD_LEVEL = 7,     /* greater ones save a tenth, and take ten times as long */
};

struct codec_models {
    struct own {
        bool is_there; /* one has this machine */
        struct model_tables tables;
        void *memory; /* of the tables; kept for others of this machine and for the same end */
        size_t bytes;
    } own[CODEC_MODELS];
    bool to_encode;       /* they were learned: tables have what encoding asks for, and no more */
    struct buffer stored; /* as they are written */
    void *context;        /* with which others were read; NULL: none were */
};

const struct model_tables *models_find(const struct codec_models *models, unsigned number)
{
    if (number < MODEL_OWN)
        return model_find(number);
    unsigned index = number - MODEL_OWN - 1;
    return models != NULL && index < CODEC_MODELS && models->own[index].is_there
               ? &models->own[index].tables
               : NULL;
}

static void drop_tables(struct codec_models *models)
{
    for (size_t i = 0; i < CODEC_MODELS; i++) {
        if (models->own[i].memory != NULL)
            codec_wipe(models->own[i].memory, models->own[i].bytes);
        free(models->own[i].memory);
        models->own[i] = (struct own){ 0 };
    }
}

void codec_models_free(struct codec_models *models)
{
    if (models == NULL)
        return;
    drop_tables(models);
    if (models->stored.data != NULL)
        codec_wipe(models->stored.data, models->stored.bytes);
    buffer_release(&models->stored);
    frame_context_free(models->context);
    free(models);
}

static struct codec_models *models_new(void)
{
    struct codec_models *models = calloc(1, sizeof *models);
    if (models != NULL)
        buffer_init(&models->stored);
    return models;
}

static size_t weights_of(const struct model_tables *base)
{
    return (size_t)base->model->states * base->model->symbols;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A state has no weights, or one of the escape and of a further symbol. */
static bool weights_are_right(const uint8_t *weights, const struct model_tables *base)
{
    size_t symbols = base->model->symbols;
    for (size_t state = 0; state < base->model->states; state++, weights += symbols) {
        uint8_t any = 0;
        for (size_t s = 1; s < symbols; s++)
            any |= weights[s];
        if ((weights[0] | any) >= MODEL_WEIGHTS || (weights[0] != 0) != (any != 0))
            return false;
    }
    return true;
}

/* Those of `bases`, whose weights follow each other. */
static holter_status models_unfold(struct codec_models *models,
                                   const struct model_tables *const *bases, size_t count,
                                   const uint8_t *weights)
{
    bool (*unfold_own)(struct model_tables *, void **, size_t *, const struct model_tables *,
                       const uint8_t *) =
        models->to_encode ? model_unfold_ranges : model_unfold_slots;
    for (size_t i = 0; i < count; i++) {
        struct own *own = &models->own[bases[i] - model_find(1)];
        if (!weights_are_right(weights, bases[i]))
            return HOLTER_CORRUPT;
        if (!unfold_own(&own->tables, &own->memory, &own->bytes, bases[i], weights))
            return HOLTER_NO_MEMORY;
        own->is_there = true;
        weights += weights_of(bases[i]);
    }
    return HOLTER_OK;
}

static holter_status models_read(struct codec_models *models, struct reader *r)
{
    const struct model_tables *bases[CODEC_MODELS];
    size_t count = get_u8(r);
    size_t bytes = 0;
    unsigned before = 0;
    struct buffer weights;
    if (r->overrun || count == 0 || count > CODEC_MODELS)
        return HOLTER_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        unsigned number = get_u8(r);
        bases[i] = model_find(number);
        if (bases[i] == NULL || number <= before)
            return HOLTER_CORRUPT;
        before = number;
        bytes += weights_of(bases[i]);
    }
    buffer_init(&weights);
    if (!buffer_reserve(&weights, bytes))
        return HOLTER_NO_MEMORY;
    holter_status status = frame_decode(&weights, r, bytes, &models->context);
    if (status == HOLTER_OK)
        status = models_unfold(models, bases, count, weights.data);
    codec_wipe(weights.data, bytes);
    buffer_release(&weights);
    return status;
}

static void forget(struct codec_models *models)
{
    buffer_clear(&models->stored);
    for (size_t i = 0; i < CODEC_MODELS; i++)
        models->own[i].is_there = false;
}

static holter_status models_make(struct codec_models **models, const uint8_t *bytes, size_t count,
                                 bool to_encode)
{
    struct reader r = reader_over(bytes, count);
    if (*models == NULL)
        *models = models_new();
    if (*models == NULL)
        return HOLTER_NO_MEMORY;
    struct buffer *stored = &(*models)->stored;
    if (stored->bytes == count && count > 0 && memcmp(stored->data, bytes, count) == 0 &&
        (*models)->to_encode == to_encode)
        return HOLTER_OK;
    forget(*models);
    if ((*models)->to_encode != to_encode)
        drop_tables(*models);
    (*models)->to_encode = to_encode;
    holter_status status = models_read(*models, &r);
    if (status == HOLTER_OK && !reader_is_done(&r))
        status = HOLTER_CORRUPT;
    if (status == HOLTER_OK)
        buffer_append(stored, bytes, count);
    if (status == HOLTER_OK && stored->failed)
        status = HOLTER_NO_MEMORY;
    if (status != HOLTER_OK)
        forget(*models);
    return status;
}

holter_status codec_models_decode(struct codec_models **models, const uint8_t *bytes, size_t count)
{
    return models_make(models, bytes, count, false);
}

bool models_can_decode(const struct codec_models *models)
{
    return models == NULL || !models->to_encode;
}

/* ---- learning -------------------------------------------------------------------------------- */

void codec_scratch_use(struct codec_scratch *scratch, const struct codec_models *models)
{
    core_assert(models == NULL || models->to_encode);
    scratch->models = models;
    scratch->is_learning = false;
}

void codec_scratch_learn(struct codec_scratch *scratch)
{
    scratch->models = NULL;
    scratch->is_learning = true;
    memset(scratch->lag, 0, sizeof scratch->lag);
    memset(scratch->counts, 0, sizeof scratch->counts);
}

/* Lanes side by side: each is a chain of lookups. */
void models_count(struct codec_scratch *s, const struct model_tables *tables,
                  const uint8_t *symbols, size_t count)
{
    size_t lanes = rans_lanes(count);
    size_t steps = (count + lanes - 1) / lanes;
    uint32_t(*counts)[MODEL_SYMBOLS_MAX] = s->counts + tables->row;
    size_t state[RANS_LANES];
    for (size_t lane = 0; lane < lanes; lane++)
        state[lane] = tables->model->start;
    for (size_t step = 0; step < steps; step++) {
        for (size_t at = step, lane = 0; at < count; at += steps, lane++) {
            counts[state[lane]][symbols[at]]++;
            state[lane] = tables->next[state[lane] << 8 | symbols[at]];
        }
    }
}

/* What a state's symbols take by other slots less than now, in 1/256 bit. */
static int64_t state_gain(const uint32_t *counts, const uint16_t *first, const uint16_t *cost,
                          size_t symbols)
{
    const int64_t escape = ESCAPE_BYTES * 8 << MODEL_COST_BITS; /* beside its symbol */
    int64_t own_escape = model_cost(first[1]);
    int64_t gain = counts[0] * (cost[0] - own_escape);
    for (size_t s = 1; s < symbols; s++) {
        uint16_t own = model_cost((uint16_t)(first[s + 1] - first[s]));
        int64_t now = cost[s] == UINT16_MAX ? cost[0] + escape : cost[s];
        gain += counts[s] * (now - (own == UINT16_MAX ? own_escape + escape : own));
    }
    return gain;
}

/* Weights of a state, where they save more than about what they take: what is left of it, in 1/256 bit. */
static int64_t state_learn(uint8_t *weights, const uint32_t *counts, const uint16_t *cost,
                           size_t symbols)
{
    uint16_t first[MODEL_SYMBOLS_MAX + 1];
    uint64_t total = 0;
    uint64_t most = 0;
    uint64_t rare = counts[0];
    int64_t bits = STATE_BITS + WEIGHT_BITS;
    for (size_t s = 0; s < symbols; s++)
        total += counts[s];
    for (size_t s = 1; s < symbols; s++) {
        rare += counts[s] == 1; /* as many others will come that did not yet */
        bits += counts[s] > 0 ? WEIGHT_BITS : 0;
        most = counts[s] > most ? counts[s] : most;
    }
    if (total < SYMBOLS_LEAST || most == 0)
        return 0;
    most = rare > most ? rare : most;
    for (size_t s = 1; s < symbols; s++)
        weights[s] = counts[s] > 0 ? model_weight(counts[s], most, WEIGHT_TOP) : 0;
    weights[0] = model_weight(rare, most, WEIGHT_TOP);
    model_share_slots(first, weights, symbols);
    int64_t gain = state_gain(counts, first, cost, symbols) - (bits << MODEL_COST_BITS);
    if (gain <= 0)
        memset(weights, 0, symbols);
    return gain > 0 ? gain : 0;
}

/* Weights of all states: what they save, in bytes. */
static size_t machine_learn(uint8_t *weights, const struct codec_scratch *scratch,
                            const struct model_tables *base)
{
    size_t symbols = base->model->symbols;
    int64_t gain = 0;
    for (size_t state = 0; state < base->model->states; state++)
        gain += state_learn(weights + state * symbols, scratch->counts[base->row + state],
                            base->cost + state * MODEL_SYMBOLS_MAX, symbols);
    return (size_t)(gain >> MODEL_COST_BITS) / 8;
}

/* Models that save `bytes_least` each, as they are written; nothing where there is none. */
static void models_learn(struct buffer *stored, uint8_t *weights,
                         const struct codec_scratch *scratch, size_t bytes_least)
{
    uint8_t numbers[CODEC_MODELS];
    uint8_t count = 0;
    size_t bytes = 0;
    struct buffer frame;
    for (unsigned number = 1; number <= CODEC_MODELS; number++) {
        size_t of_this = weights_of(model_find(number));
        size_t gain = machine_learn(weights + bytes, scratch, model_find(number));
        if (gain < bytes_least + scratch->lag[number - 1]) {
            memset(weights + bytes, 0, of_this);
            continue;
        }
        numbers[count++] = (uint8_t)number;
        bytes += of_this;
    }
    buffer_init(&frame);
    if (count > 0 && frame_encode(&frame, weights, bytes, ZSTD_LEVEL)) {
        buffer_append_u8(stored, count);
        buffer_append(stored, numbers, count);
        buffer_append_varint(stored, frame.bytes);
        buffer_append(stored, frame.data, frame.bytes);
    }
    stored->failed = stored->failed || frame.failed;
    buffer_release(&frame);
}

holter_status codec_models_learn(struct codec_models **models, struct codec_scratch *scratch,
                                 size_t bytes)
{
    struct buffer stored;
    holter_status status = HOLTER_OK;
    scratch->is_learning = false;
    if (*models != NULL)
        forget(*models);
    memset(scratch->weights, 0, sizeof scratch->weights);
    buffer_init(&stored);
    models_learn(&stored, scratch->weights, scratch, GAIN_MIN + bytes / GAIN_SHARE);
    if (stored.failed)
        status = HOLTER_NO_MEMORY;
    else if (stored.bytes > 0)
        status = models_make(models, stored.data, stored.bytes, true);
    core_assert(status != HOLTER_CORRUPT);
    buffer_release(&stored);
    return status;
}

size_t codec_models_bytes(const struct codec_models *models)
{
    return models == NULL ? 0 : models->stored.bytes;
}

bool codec_models_pay(const struct codec_models *models, size_t before, size_t after)
{
    return after + models->stored.bytes + GAIN_MIN <= before;
}

void codec_models_encode(struct buffer *out, const struct codec_models *models)
{
    core_assert(models->stored.bytes > 0);
    buffer_append(out, models->stored.data, models->stored.bytes);
}
