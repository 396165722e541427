/*
 * version.h -- the version of the library and of the formats that it writes.
 *
 * Any thread. Format version 0 may still change between releases; from 1 on, every later release
 * reads it.
 */
#ifndef HOLTER_VERSION_H
#define HOLTER_VERSION_H

#define HOLTER_VERSION_MAJOR 0
#define HOLTER_VERSION_MINOR 1
#define HOLTER_VERSION_PATCH 0
#define HOLTER_VERSION_STRING "0.1.0"

#define HOLTER_FORMAT_MAJOR 0
#define HOLTER_FORMAT_MINOR 1

#if defined(__GNUC__)
#define HOLTER_API __attribute__((visibility("default")))
#define HOLTER_MUST_USE __attribute__((warn_unused_result))
#else
#define HOLTER_API
#define HOLTER_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the library at run time, as "major.minor.patch"; a static string. */
HOLTER_API const char *holter_version(void);

#ifdef __cplusplus
}
#endif

#endif
