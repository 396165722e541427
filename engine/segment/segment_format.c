/*
 * segment_format.c -- the structures of fixed size, and how a piece is sealed.
 *
 * Footer and directory page end in the XXH3-64 of all bytes before it, spare ones included,
 * so that no bit of them is unwatched. Bytes: format-spec/segment.md.
 */
#include "segment_impl.h"

#include <string.h>

enum {
    FORMAT_MAJOR = 0,
    FORMAT_MINOR = 1,
    CHECKED_BYTES = SEGMENT_FOOTER_BYTES - 8,
    FOOTER_SPARE_BYTES = 304,
    PAGE_SPARE_BYTES = 32,
    PAGE_CHECKSUM_BYTES = 8,
};

static const uint8_t footer_magic[8] = { 0x89, 'H', 'L', 'T', 'S', 'E', 'G', 'F' };

static holter_status refuse(const char **what, const char *sentence)
{
    *what = sentence;
    return HOLTER_CORRUPT;
}

static bool is_checksum_right(uint64_t stored, const void *bytes, size_t count)
{
    return CRYPTO_TRUSTS_TAGS || stored == hash64(bytes, count);
}

static uint64_t load_u64(const uint8_t *bytes)
{
    struct reader r = reader_over(bytes, 8);
    return get_u64(&r);
}

/* ---- footer ---------------------------------------------------------------------------------- */

/* 57 bytes. */
static void identity_encode(struct writer *w, const struct segment_identity *identity)
{
    put_bytes(w, footer_magic, 8);
    put_u16(w, FORMAT_MAJOR);
    put_u16(w, FORMAT_MINOR);
    put_u32(w, 0); /* must be understood */
    put_u32(w, 0); /* may be ignored */
    put_bytes(w, identity->store_id, 16);
    put_u32(w, identity->place);
    put_bytes(w, identity->id, SEGMENT_ID_BYTES);
    put_u8(w, identity->is_sealed ? 1 : 0);
}

/* `in` is the whole sector. Bounds are the caller's array; then version, checksum, fields. */
static holter_status identity_decode(struct reader *r, const uint8_t *in,
                                     const struct segment_identity *expected, const char **what)
{
    *r = reader_over(in, CHECKED_BYTES);
    uint8_t store_id[16];
    uint8_t id[SEGMENT_ID_BYTES];
    uint8_t found_magic[8];
    get_copy(r, found_magic, 8);
    uint16_t major = get_u16(r);
    get_u16(r);
    uint32_t must = get_u32(r);
    get_u32(r);
    get_copy(r, store_id, 16);
    uint32_t place = get_u32(r);
    get_copy(r, id, SEGMENT_ID_BYTES);
    uint8_t sealed = get_u8(r);

    if (memcmp(found_magic, footer_magic, 8) != 0)
        return refuse(what, "it does not begin with the magic of a segment");
    if (major > FORMAT_MAJOR) {
        *what = "its format version is newer than 0";
        return HOLTER_UNSUPPORTED;
    }
    if (must != 0) {
        *what = "it needs a feature that this version does not know";
        return HOLTER_UNSUPPORTED;
    }
    if (!is_checksum_right(load_u64(in + CHECKED_BYTES), in, CHECKED_BYTES))
        return refuse(what, "its checksum is not that of its bytes");
    if (memcmp(store_id, expected->store_id, 16) != 0)
        return refuse(what, "it names another store");
    if (place != expected->place)
        return refuse(what, "it names another shard");
    if (memcmp(id, expected->id, SEGMENT_ID_BYTES) != 0)
        return refuse(what, "it names another file");
    if (sealed > 1)
        return refuse(what, "its mark of sealing is neither 0 nor 1");
    if ((sealed == 1) != expected->is_sealed)
        return refuse(what, "it is sealed and the store is not, or the other way round");
    return HOLTER_OK;
}

uint64_t segment_footer_encode(uint8_t out[static SEGMENT_FOOTER_BYTES],
                               const struct segment_identity *identity,
                               const struct segment_footer *footer)
{
    const struct segment_traits *traits = &footer->traits;
    const struct segment_summary *summary = &footer->summary;
    struct writer w = writer_over(out, SEGMENT_FOOTER_BYTES);
    identity_encode(&w, identity);
    put_u8(&w, traits->tier);
    put_u8(&w, traits->class);
    put_u8(&w, 0); /* spare */
    put_u32(&w, footer->page_count);
    put_i64(&w, traits->partition);
    put_u64(&w, traits->sequence_min);
    put_u64(&w, traits->sequence_max);
    put_u64(&w, summary->users);
    put_u64(&w, summary->rows);
    put_i64(&w, summary->begin_min);
    put_i64(&w, summary->begin_max);
    put_i64(&w, summary->end_max);
    put_u64(&w, summary->user_min);
    put_u64(&w, summary->user_max);
    put_u64(&w, summary->tombstones);
    put_i64(&w, summary->tombstone_begin);
    put_i64(&w, summary->tombstone_end);
    put_u64(&w, footer->sections_begin);
    put_u64(&w, footer->sections_end);
    put_u64(&w, summary->bytes);
    put_u64(&w, footer->directory_hash);
    put_zeros(&w, FOOTER_SPARE_BYTES);
    uint64_t checksum = hash64(out, CHECKED_BYTES);
    put_u64(&w, checksum);
    core_assert(w.left == 0 && !w.overrun);
    return checksum;
}

static bool is_range(uint64_t count, int64_t low, int64_t middle, int64_t high)
{
    if (count == 0)
        return low == 0 && middle == 0 && high == 0;
    return low <= middle && middle <= high;
}

static uint64_t round_up(uint64_t offset, uint64_t unit)
{
    return (offset + unit - 1) / unit * unit;
}

/* The smallest that has room for all users, or the largest. */
static uint32_t page_bytes_of(uint64_t users)
{
    uint32_t bytes = SEGMENT_PAGE_BYTES_MIN;
    while (bytes < SEGMENT_PAGE_BYTES && users > bytes / SEGMENT_ENTRY_BYTES - 1)
        bytes *= 2;
    return bytes;
}

uint64_t segment_sections_begin(uint64_t users_max)
{
    return users_max == 0 || users_max > SEGMENT_USERS_IN_FRONT
               ? SEGMENT_FOOTER_BYTES
               : SEGMENT_FOOTER_BYTES + page_bytes_of(users_max);
}

/* The first directory lies in front of the sections, or behind them. The second one is in no page of it, and ends the file
   with the footer. */
void segment_directory_place(struct segment_footer *footer)
{
    bool is_in_front = segment_is_in_front(footer);
    uint64_t users = footer->summary.users;
    footer->page_bytes = is_in_front ? (uint32_t)(footer->sections_begin - SEGMENT_FOOTER_BYTES)
                                     : page_bytes_of(users);
    uint64_t entries = segment_page_entries(footer);
    footer->page_count = (uint32_t)(users / entries + (users % entries != 0));
    footer->directory_offset =
        is_in_front ? SEGMENT_FOOTER_BYTES : round_up(footer->sections_end, SEGMENT_SECTOR_BYTES);
    uint64_t bytes = (uint64_t)footer->page_count * footer->page_bytes;
    uint64_t first_end = footer->directory_offset + bytes;
    uint64_t second = round_up(first_end, SEGMENT_PAGE_BYTES);
    if (second < footer->sections_end)
        second = footer->sections_end;
    footer->summary.bytes = round_up(second + bytes + SEGMENT_FOOTER_BYTES, SEGMENT_PAGE_BYTES);
}

/* Right behind a footer, or a page of one of its sizes. */
static bool is_sections_begin(uint64_t begin)
{
    bool is_one = begin == SEGMENT_FOOTER_BYTES;
    for (uint64_t page = SEGMENT_PAGE_BYTES_MIN; page <= SEGMENT_PAGE_BYTES; page *= 2)
        is_one = is_one || begin == SEGMENT_FOOTER_BYTES + page;
    return is_one;
}

/* The places of a file follow from where its sections end and how many users it has. */
static holter_status footer_check(struct segment_footer *footer, uint64_t file_bytes,
                                  const char **what)
{
    const struct segment_traits *traits = &footer->traits;
    const struct segment_summary *summary = &footer->summary;
    if (summary->bytes != file_bytes)
        return refuse(what, "the file's length is not the one it names");
    if (traits->tier == 0 || traits->tier > SEGMENT_TIERS || traits->class >= SEGMENT_CLASSES)
        return refuse(what, "its tier or class is unknown");
    if (traits->sequence_min > traits->sequence_max)
        return refuse(what, "its range of sequences is empty");
    if (summary->users == 0 || summary->user_min > summary->user_max)
        return refuse(what, "it names no user");
    if (summary->rows == 0 && summary->tombstones == 0)
        return refuse(what, "it names neither rows nor tombstones");
    if (!is_range(summary->rows, summary->begin_min, summary->begin_max, summary->end_max) ||
        !is_range(summary->tombstones, summary->tombstone_begin, summary->tombstone_begin,
                  summary->tombstone_end))
        return refuse(what, "its range of times falls");

    if (!is_sections_begin(footer->sections_begin))
        return refuse(what, "its sections begin where they cannot");
    if (footer->sections_end <= footer->sections_begin || footer->sections_end > file_bytes)
        return refuse(what, "its sections end outside of the file");
    if (summary->users > file_bytes / SEGMENT_ENTRY_BYTES)
        return refuse(what, "its count of pages does not hold its users");
    struct segment_footer expected = *footer;
    segment_directory_place(&expected);
    if (expected.page_count != footer->page_count ||
        (segment_is_in_front(footer) && footer->page_count > 1))
        return refuse(what, "its count of pages does not hold its users");
    if (expected.summary.bytes != file_bytes)
        return refuse(what, "its length does not fit where its sections end");
    footer->page_bytes = expected.page_bytes;
    footer->directory_offset = expected.directory_offset;
    return HOLTER_OK;
}

holter_status segment_footer_decode(struct segment_footer *out,
                                    const uint8_t in[static SEGMENT_FOOTER_BYTES],
                                    const struct segment_identity *expected, uint64_t file_bytes,
                                    const char **what)
{
    struct reader r;
    holter_status status = identity_decode(&r, in, expected, what);
    if (status != HOLTER_OK)
        return status;

    struct segment_footer footer = { 0 };
    memcpy(footer.summary.id, expected->id, SEGMENT_ID_BYTES);
    footer.traits.tier = get_u8(&r);
    footer.traits.class = get_u8(&r);
    uint8_t spare = get_u8(&r);
    footer.page_count = get_u32(&r);
    footer.traits.partition = get_i64(&r);
    footer.traits.sequence_min = get_u64(&r);
    footer.traits.sequence_max = get_u64(&r);
    footer.summary.users = get_u64(&r);
    footer.summary.rows = get_u64(&r);
    footer.summary.begin_min = get_i64(&r);
    footer.summary.begin_max = get_i64(&r);
    footer.summary.end_max = get_i64(&r);
    footer.summary.user_min = get_u64(&r);
    footer.summary.user_max = get_u64(&r);
    footer.summary.tombstones = get_u64(&r);
    footer.summary.tombstone_begin = get_i64(&r);
    footer.summary.tombstone_end = get_i64(&r);
    footer.sections_begin = get_u64(&r);
    footer.sections_end = get_u64(&r);
    footer.summary.bytes = get_u64(&r);
    footer.directory_hash = get_u64(&r);
    footer.summary.footer_hash = load_u64(in + CHECKED_BYTES);
    if (spare != 0 || !bytes_are_zero(r.at, FOOTER_SPARE_BYTES))
        return refuse(what, "its spare bytes are not zero");

    status = footer_check(&footer, file_bytes, what);
    if (status == HOLTER_OK)
        *out = footer;
    return status;
}

/* ---- directory ------------------------------------------------------------------------------- */

void segment_entry_encode(uint8_t out[static SEGMENT_ENTRY_BYTES], const struct segment_user *user)
{
    struct writer w = writer_over(out, SEGMENT_ENTRY_BYTES);
    put_u64(&w, user->user);
    put_u32(&w, user->key_generation);
    put_u32(&w, user->index_bytes);
    put_u64(&w, user->section_offset);
    put_u64(&w, user->section_bytes);
    put_i64(&w, user->begin_min);
    put_i64(&w, user->begin_max);
    put_i64(&w, user->end_max);
    put_u64(&w, user->section_hash);
    core_assert(w.left == 0 && !w.overrun);
}

uint64_t segment_page_encode(uint8_t out[static SEGMENT_PAGE_BYTES],
                             const struct segment_footer *footer,
                             const uint8_t id[static SEGMENT_ID_BYTES], uint32_t page,
                             const uint8_t *entries, size_t count)
{
    core_assert(count > 0);
    core_assert(count <= segment_page_entries(footer));
    struct writer w = writer_over(out, footer->page_bytes);
    put_bytes(&w, entries, count * SEGMENT_ENTRY_BYTES);
    put_zeros(&w, (segment_page_entries(footer) - count) * SEGMENT_ENTRY_BYTES);
    put_bytes(&w, id, SEGMENT_ID_BYTES);
    put_u32(&w, page);
    put_u32(&w, (uint32_t)count);
    put_zeros(&w, PAGE_SPARE_BYTES);
    uint64_t checksum = hash64(out, footer->page_bytes - PAGE_CHECKSUM_BYTES);
    put_u64(&w, checksum);
    core_assert(w.left == 0 && !w.overrun);
    return checksum;
}

uint64_t segment_page_checksum(const uint8_t in[static SEGMENT_PAGE_BYTES],
                               const struct segment_footer *footer)
{
    return load_u64(in + footer->page_bytes - PAGE_CHECKSUM_BYTES);
}

static holter_status entry_decode(struct segment_user *out, struct reader *r,
                                  const struct segment_footer *footer, const char **what)
{
    struct segment_user user = { 0 };
    user.user = get_u64(r);
    user.key_generation = get_u32(r);
    user.index_bytes = get_u32(r);
    user.section_offset = get_u64(r);
    user.section_bytes = get_u64(r);
    user.begin_min = get_i64(r);
    user.begin_max = get_i64(r);
    user.end_max = get_i64(r);
    user.section_hash = get_u64(r);

    if (user.section_offset < footer->sections_begin ||
        user.section_offset > footer->sections_end ||
        user.section_bytes > footer->sections_end - user.section_offset)
        return refuse(what, "a section lies outside of the sections");
    if (user.index_bytes <= CRYPTO_TAG_BYTES || user.index_bytes > user.section_bytes)
        return refuse(what, "an index is larger than its section, or smaller than a tag");
    if (user.user < footer->summary.user_min || user.user > footer->summary.user_max)
        return refuse(what, "a user lies outside of the footer's range");
    if (!is_range(1, user.begin_min, user.begin_max, user.end_max))
        return refuse(what, "a user's range of times falls");
    user.index_offset = user.section_offset + user.section_bytes - user.index_bytes;
    *out = user;
    return HOLTER_OK;
}

holter_status segment_page_decode(struct segment_user out[static SEGMENT_PAGE_ENTRIES],
                                  size_t *count, const uint8_t in[static SEGMENT_PAGE_BYTES],
                                  const struct segment_footer *footer, uint32_t page,
                                  const char **what)
{
    const struct segment_summary *summary = &footer->summary;
    core_assert(page < footer->page_count);
    size_t entries = segment_page_entries(footer);
    size_t checked_bytes = footer->page_bytes - PAGE_CHECKSUM_BYTES;
    if (!is_checksum_right(segment_page_checksum(in, footer), in, checked_bytes))
        return refuse(what, "its checksum is not that of its bytes");

    bool is_last = page + 1 == footer->page_count;
    uint64_t wanted = is_last ? summary->users - (uint64_t)page * entries : entries;
    const uint8_t *tail = in + entries * SEGMENT_ENTRY_BYTES;
    struct reader r = reader_over(tail, checked_bytes - entries * SEGMENT_ENTRY_BYTES);
    const uint8_t *id = get_bytes(&r, SEGMENT_ID_BYTES);
    uint32_t number = get_u32(&r);
    uint32_t used = get_u32(&r);
    if (memcmp(id, summary->id, SEGMENT_ID_BYTES) != 0)
        return refuse(what, "it names another file");
    if (number != page)
        return refuse(what, "it names another page");
    if (used != wanted)
        return refuse(what, "its count of entries does not fit the footer's count of users");
    if (!bytes_are_zero(r.at, r.left) || !bytes_are_zero(in + wanted * SEGMENT_ENTRY_BYTES,
                                                         (entries - wanted) * SEGMENT_ENTRY_BYTES))
        return refuse(what, "its spare bytes are not zero");

    struct segment_user users[SEGMENT_PAGE_ENTRIES] = { 0 };
    r = reader_over(in, wanted * SEGMENT_ENTRY_BYTES);
    for (size_t i = 0; i < wanted; i++) {
        holter_status status = entry_decode(&users[i], &r, footer, what);
        if (status != HOLTER_OK)
            return status;
        if (i > 0 && users[i].user <= users[i - 1].user)
            return refuse(what, "its users do not rise");
        if (i > 0 &&
            users[i].section_offset != users[i - 1].section_offset + users[i - 1].section_bytes)
            return refuse(what, "a section does not begin where the one before ends");
    }
    const struct segment_user *last = &users[wanted - 1];
    if (page == 0 &&
        (users[0].user != summary->user_min || users[0].section_offset != footer->sections_begin))
        return refuse(what, "its first user is not the footer's first");
    if (is_last && (last->user != summary->user_max ||
                    last->section_offset + last->section_bytes != footer->sections_end))
        return refuse(what, "its last user is not the footer's last");

    memcpy(out, users, wanted * sizeof users[0]);
    *count = (size_t)wanted;
    return HOLTER_OK;
}

uint64_t segment_page_offset(const struct segment_footer *footer, uint32_t page, int copy)
{
    uint64_t bytes = (uint64_t)footer->page_count * footer->page_bytes;
    uint64_t begin =
        copy == 0 ? footer->directory_offset : segment_footer_offset(footer, 1) - bytes;
    return begin + (uint64_t)page * footer->page_bytes;
}

uint64_t segment_footer_offset(const struct segment_footer *footer, int copy)
{
    return copy == 0 ? 0 : footer->summary.bytes - SEGMENT_FOOTER_BYTES;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static void piece_bind(uint8_t associated[static SEGMENT_ASSOCIATED_BYTES],
                       uint8_t nonce[static CRYPTO_NONCE_BYTES],
                       const struct segment_identity *identity, const struct segment_piece *piece,
                       size_t plain_bytes)
{
    core_assert(plain_bytes <= UINT32_MAX);
    struct writer w = writer_over(associated, SEGMENT_ASSOCIATED_BYTES);
    put_bytes(&w, identity->store_id, 16);
    put_bytes(&w, identity->id, SEGMENT_ID_BYTES);
    put_u32(&w, identity->place);
    put_u64(&w, piece->user);
    put_u32(&w, piece->key_generation);
    put_u64(&w, piece->offset);
    put_u32(&w, (uint32_t)piece->kind);
    put_u32(&w, (uint32_t)plain_bytes);
    core_assert(w.left == 0 && !w.overrun);

    w = writer_over(nonce, CRYPTO_NONCE_BYTES);
    put_bytes(&w, identity->id, SEGMENT_ID_BYTES);
    put_u64(&w, piece->offset);
    core_assert(w.left == 0 && !w.overrun);
}

void segment_piece_seal(uint8_t *out, const uint8_t *plain, size_t bytes,
                        const struct segment_identity *identity, const struct segment_piece *piece,
                        const struct crypto_key *key)
{
    uint8_t associated[SEGMENT_ASSOCIATED_BYTES];
    uint8_t nonce[CRYPTO_NONCE_BYTES];
    piece_bind(associated, nonce, identity, piece, bytes);
    crypto_seal(out, plain, bytes, associated, sizeof associated, nonce, key);
}

bool segment_piece_open(uint8_t *bytes_in_place, size_t bytes,
                        const struct segment_identity *identity, const struct segment_piece *piece,
                        const struct crypto_key *key)
{
    if (bytes <= CRYPTO_TAG_BYTES || bytes - CRYPTO_TAG_BYTES > UINT32_MAX)
        return false;
    uint8_t associated[SEGMENT_ASSOCIATED_BYTES];
    uint8_t nonce[CRYPTO_NONCE_BYTES];
    piece_bind(associated, nonce, identity, piece, bytes - CRYPTO_TAG_BYTES);
    return crypto_open(bytes_in_place, bytes_in_place, bytes, associated, sizeof associated, nonce,
                       key);
}

void segment_name(char out[static SEGMENT_NAME_BYTES], const uint8_t id[static SEGMENT_ID_BYTES])
{
    memcpy(out, "seg-", 4);
    hex_encode(out + 4, id, SEGMENT_ID_BYTES);
}
