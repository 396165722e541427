/*
 * fuzz_token.c -- a hostile token of the change feed; what is read is written the same.
 *
 * Input: a byte of options, then the token: its bytes, or as text.
 */
#include "fuzz.h"
#include "store/store_impl.h"

#include <stdlib.h>
#include <string.h>

enum option { IS_TEXT = 1 };
enum { CHECKSUM_DIGITS = 16 }; /* any counts as right here */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    bool is_text = (get_u8(&in) & IS_TEXT) != 0;
    char *text = calloc(2 * in.left + 1, 1);
    core_assert(text != NULL);
    if (is_text)
        memcpy(text, in.at, in.left);
    else
        hex_encode(text, in.at, in.left);
    struct store_token token;
    holter_error err = { .status = HOLTER_OK };
    holter_status status = store_token_decode(&token, text, &err);
    fuzz_check(status, &err);
    if (status == HOLTER_OK) {
        char *again;
        core_assert(store_token_encode(&again, &token, NULL) == HOLTER_OK);
        core_assert(strlen(again) == strlen(text));
        core_assert(memcmp(again, text, strlen(text) - CHECKSUM_DIGITS) == 0);
        free(again);
        store_token_release(&token);
    }
    free(text);
    return 0;
}
