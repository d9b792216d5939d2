#define _GNU_SOURCE
#include "config.h"
#include "buf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Replaces what is in ${} by the environment's. */
static char *expand(const char *text)
{
    struct buf out = {0};
    const char *end;

    while (*text) {
        end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
        if (!end) {
            buf_byte(&out, *text++);
            continue;
        }
        char *name = strndup(text + 2, (size_t) (end - text - 2));
        char *otherwise = strstr(name, ":-");
        const char *value;

        if (otherwise) {
            *otherwise = '\0';
            otherwise += 2;
        }
        value = getenv(name);
        if (!value) {
            value = otherwise ? otherwise : "";
        }
        buf_put(&out, value, strlen(value));
        free(name);
        text = end + 1;
    }
    buf_byte(&out, 0);
    return (char *) out.data;
}

static char *trim(char *line)
{
    size_t len;

    while (isspace((unsigned char) *line)) {
        line++;
    }
    len = strlen(line);
    while (len > 0 && isspace((unsigned char) line[len - 1])) {
        line[--len] = '\0';
    }
    return line;
}

static struct property *parse_property(char *line)
{
    struct property *p = xalloc(sizeof(*p));
    size_t key = strcspn(line, " \t");

    p->key = strndup(line, key);
    p->value = expand(trim(line + key));
    return p;
}

struct section *config_load(const char *path)
{
    struct buf file = buf_read(path);
    struct section *first = NULL;
    struct section **section = &first;
    struct property **property = NULL;
    struct section *s = NULL;
    char *rest;
    int number = 0;

    buf_byte(&file, 0);
    rest = (char *) file.data;
    while (rest) {
        char *line = trim(strsep(&rest, "\n"));

        number++;
        if (*line == '\0' || *line == '#') {
            continue;
        }
        if (*line == '[') {
            char *end = strchr(line, ']');

            if (!end || end[1]) {
                fail("%s:%d: a section is a name in brackets", path, number);
            }
            s = xalloc(sizeof(*s));
            s->kind = strndup(line + 1, (size_t) (end - line - 1));
            *section = s;
            section = &s->next;
            property = &s->properties;
            continue;
        }
        if (!property) {
            fail("%s:%d: a property before any section", path, number);
        }
        *property = parse_property(line);
        property = &(*property)->next;
    }
    buf_free(&file);
    return first;
}

void config_free(struct section *s)
{
    while (s) {
        struct section *next = s->next;

        while (s->properties) {
            struct property *p = s->properties;

            s->properties = p->next;
            free(p->key);
            free(p->value);
            free(p);
        }
        free(s->kind);
        free(s);
        s = next;
    }
}

const char *config_get(const struct section *s, const char *key)
{
    for (struct property *p = s ? s->properties : NULL; p; p = p->next) {
        if (strcasecmp(p->key, key) == 0) {
            return p->value;
        }
    }
    return NULL;
}
