/*
 * The classic configuration format, as far as tests need it: sections in
 * brackets, a key and a value a line, # comments, ${VAR} and ${VAR:-default}.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

struct property {
    struct property *next;
    char *key;
    char *value;
};

struct section {
    struct section *next;
    char *kind; /* OUTPUT, INPUT, SERVICE, PLUGINS; as written */
    struct property *properties;
};

/* Ends the program with file and line when the file is not understood. */
struct section *config_load(const char *path);
void config_free(struct section *s);

/* The value of the first property called key in any letter case, or NULL. */
const char *config_get(const struct section *s, const char *key);

#endif
