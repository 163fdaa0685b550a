/* Preloaded into MicroPython's unix port: its TLS takes the system's date from the file CALENDAR (seconds since
 * 1970, as text), as a board takes it from its own clock. While the file is missing it is 2000-01-01, as on a
 * board that nobody told the time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

time_t time(time_t *place) {
    long long now = 946684800;
    const char *name = getenv("CALENDAR");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        if (fscanf(file, "%lld", &now) != 1) now = 946684800;
        fclose(file);
    }
    if (place) *place = (time_t)now;
    return (time_t)now;
}
