/* What a POSIX semaphore costs, for docs/benchmarks.md: cc -O2 -o /tmp/posix docs/posix-semaphore.c && /tmp/posix */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

enum { TIMES = 100000, OPENED = 3 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static const char *names[OPENED] = {"/otaman-compare-1", "/otaman-compare-2", "/otaman-compare-3"};

static void use(int opened) {
    sem_t *semaphores[OPENED];
    for (int i = 0; i < opened; i++) semaphores[i] = sem_open(names[i], O_CREAT, 0600, 8);
    sem_wait(semaphores[0]);
    sem_post(semaphores[0]);
    for (int i = 0; i < opened; i++) sem_close(semaphores[i]);
}

int main(void) {
    sem_t *kept = sem_open("/otaman-compare", O_CREAT, 0600, 8);
    double begun = now();
    for (int i = 0; i < TIMES; i++) {
        sem_wait(kept);
        sem_post(kept);
    }
    printf("wait and post: %.3f us\n", (now() - begun) / TIMES);
    for (int opened = 1; opened <= OPENED; opened += OPENED - 1) {
        begun = now();
        for (int i = 0; i < TIMES; i++) use(opened);
        printf("the same, %d opened and closed each time: %.3f us\n", opened, (now() - begun) / TIMES);
    }
    for (int i = 0; i < OPENED; i++) sem_unlink(names[i]);
    sem_unlink("/otaman-compare");
    return 0;
}
