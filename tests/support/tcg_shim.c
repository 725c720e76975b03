/* Preloaded into QEMU 7.2 by the tests that need COLO without KVM; for nothing else.
 *
 * Under TCG, the primary's COLO thread hands work to a virtual CPU and waits for it with a mutex that it does not hold.
 * Three things go wrong. The wait returns with the mutex held, nobody gives it back, and the thread blocks on it at its
 * next lock. The work may be done, and the condition signalled, between the thread's look and its wait. And the virtual
 * CPU may look for work just before it is there, and wait just after it was woken. The last two happen once in some
 * hundred checkpoints, and such a wait has no end.
 *
 * So every wait here ends by itself after some milliseconds, as any wait on a condition may: its caller looks again. One
 * with a mutex that its thread does not hold takes it first, and releases it afterwards.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONGEST 10000000 /* ns */
#define SECOND 1000000000

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    int held = mutex->__data.__owner == (int)syscall(SYS_gettid);
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += LONGEST;
    end.tv_sec += end.tv_nsec / SECOND;
    end.tv_nsec %= SECOND;
    if (!held) {
        pthread_mutex_lock(mutex);
    }
    pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &end);
    if (!held) {
        pthread_mutex_unlock(mutex);
    }
    return 0;
}
