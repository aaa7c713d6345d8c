/* The step, the log, random numbers, and the plugin's configuration. */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Step brewer_step(void) {
    brewer_plugin_types_step_context_t now;
    brewer_plugin_host_step(&now);
    bool is_student = now.side.is_some && now.side.val.tag == BREWER_PLUGIN_TYPES_MODEL_STUDENT;
    bool is_teacher = now.side.is_some && !is_student;
    return (Step){
        .step = now.step,
        .global_step = now.global_step,
        .epoch = now.epoch,
        .progress = now.progress,
        .task = now.task.is_some ? keep_text(now.task.val) : NULL,
        .is_student = is_student,
        .is_teacher = is_teacher,
        .teacher = is_teacher ? now.side.val.val.teacher : 0,
    };
}

void brewer_log(Level level, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    contract_string_t message;
    contract_string_set(&message, text);
    brewer_plugin_host_log(level, &message);
}

uint64_t brewer_random_u64(void) {
    return brewer_plugin_host_random_u64();
}

double brewer_random(void) {
    return brewer_plugin_host_random_uniform();
}

const char *config_json(void) {
    contract_string_t text;
    brewer_plugin_host_config(&text);
    return keep_text(text);
}

/* The host writes the configuration: it is well-formed JSON without spaces to rely on. */

static const char *skip_spaces(const char *text) {
    return text + strspn(text, " \t\r\n");
}

/* What follows a string that starts here. */
static const char *skip_string(const char *text) {
    for (text++; *text && *text != '"'; text++) {
        if (*text == '\\' && text[1]) text++;
    }
    return *text ? text + 1 : text;
}

/* What follows a value that starts here. */
static const char *skip_value(const char *text) {
    size_t depth = 0;
    do {
        if (*text == '"') {
            text = skip_string(text);
            continue;
        }
        if (depth == 0 && (*text == ',' || *text == '}' || *text == ']')) break;
        if (*text == '{' || *text == '[') depth++;
        if (*text == '}' || *text == ']') depth--;
        text++;
    } while (*text && (depth > 0 || !strchr(",}]", *text)));
    return text;
}

/* The content of a JSON string that starts here. It takes no more room than the JSON does. */
static const char *unquoted(const char *text) {
    char *content = keep_memory(malloc((size_t)(skip_string(text) - text)));
    if (!content) abort();
    char *to = content;
    for (text++; *text && *text != '"'; text++) {
        if (*text != '\\') {
            *to++ = *text;
            continue;
        }
        static const char names[] = "bfnrt", symbols[] = "\b\f\n\r\t";
        const char *name = strchr(names, *++text);
        if (*text == 'u') {
            /* The host escapes control characters in this way and no others. */
            char digits[5] = {0};
            strncpy(digits, text + 1, 4);
            *to++ = (char)strtoul(digits, NULL, 16);
            text += 4;
        } else {
            *to++ = name ? symbols[name - names] : *text;
        }
    }
    *to = '\0';
    return content;
}

/* Where the value of `key` starts, NULL if it is not there. */
static const char *find(const char *key) {
    const char *text = skip_spaces(config_json());
    if (*text != '{') return NULL;
    for (text = skip_spaces(text + 1); *text == '"'; text = skip_spaces(text)) {
        bool is_it = strcmp(unquoted(text), key) == 0;
        text = skip_spaces(skip_string(text));
        text = skip_spaces(text + (*text == ':'));
        if (is_it) return text;
        text = skip_spaces(skip_value(text));
        text = skip_spaces(text + (*text == ','));
    }
    return NULL;
}

const char *config_value(const char *key) {
    const char *value = find(key);
    if (!value) return NULL;
    size_t length = (size_t)(skip_value(value) - value);
    char *copy = keep_memory(malloc(length + 1));
    if (!copy) abort();
    memcpy(copy, value, length);
    copy[length] = '\0';
    return copy;
}

const char *config_string(const char *key, const char *fallback) {
    const char *value = find(key);
    return value && *value == '"' ? unquoted(value) : fallback;
}

double config_number(const char *key, double fallback) {
    const char *value = find(key);
    if (!value) return fallback;
    char *end;
    double number = strtod(value, &end);
    return end == value ? fallback : number;
}

bool config_bool(const char *key, bool fallback) {
    const char *value = find(key);
    if (value && strncmp(value, "true", 4) == 0) return true;
    if (value && strncmp(value, "false", 5) == 0) return false;
    return fallback;
}
