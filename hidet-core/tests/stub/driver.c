// A driver whose devices are the host. It is as lazy as a driver may be: work on a stream only runs when it is waited
// for, so that a missing wait leads to wrong results instead of passing by luck.
//
// Its only kernel is y = x * s over n elements. With s = -1 it fails with an illegal address; with checks and n = 3, it
// reports a fault. With HIDET_STUB_FAST launches do nothing, except that launch number HIDET_STUB_FAULT loses the
// context and launch number HIDET_STUB_HANG never returns. With HIDET_STUB_READS every byte that the host reads has
// that value. HIDET_STUB_MEMORY is the size of a device in bytes. With HIDET_STUB_SLOW, making a stream wait for
// another takes 60 ms, time enough for other threads. With HIDET_STUB_FULL no stream can be created.
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long addr;
typedef struct Op Op;
typedef struct Stream Stream;
struct Op {
    enum { COPY, OWNED, SET, KERNEL, WAIT, FREE } kind;
    addr to, from;
    size_t bytes;
    addr args[4];
    float s;
    Stream* other;
    size_t until;
    Op* next;
};
struct Stream { int device; Op *first, *last; size_t asked, done; int capturing; Op *captured, *captured_last; };
typedef struct { Stream* stream; size_t at; int timed; } Event;
typedef struct Node Node;
// A node that is added by hand, and those it waits for.
struct Node { Op* op; size_t count; Node* after[16]; int done; };
typedef struct { Op *first, *last; Node* nodes[256]; size_t count; } Graph;

enum { DEVICES = 2 };
static size_t memory = 1 << 24;
static const char* reads = 0;
static int dead = 0, fast = 0, slow = 0;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static size_t used = 0;
static int contexts[DEVICES];
static __thread int* stack[16];
static __thread int depth = 0;
static int launches = 0, waits = 0;

#define ALIVE if (dead) return dead
#define OF(stream) if ((stream)->device != (int)(stack[depth] - contexts)) return 201

static Op* make(Op op) { Op* made = malloc(sizeof op); *made = op; made->next = 0; return made; }
static int ask(Stream* s, Op op) {
    OF(s);
    Op* made = make(op);
    pthread_mutex_lock(&lock);
    if (s->capturing) {
        if (s->captured_last) s->captured_last->next = made; else s->captured = made;
        s->captured_last = made;
    } else {
        if (s->last) s->last->next = made; else s->first = made;
        s->last = made;
        s->asked++;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}
static void run(Stream* s, size_t until) {
    pthread_mutex_lock(&lock);
    while (s->done < until && s->first) {
        Op* op = s->first;
        s->first = op->next;
        if (!s->first) s->last = 0;
        s->done++;
        if (op->kind == COPY || op->kind == OWNED) memcpy((void*)op->to, (void*)op->from, op->bytes);
        if (op->kind == OWNED) free((void*)op->from);
        if (op->kind == SET) memset((void*)op->to, (int)op->from, op->bytes);
        if (op->kind == WAIT) run(op->other, op->until);
        if (op->kind == FREE) { size_t* block = (size_t*)op->to - 32; __atomic_fetch_sub(&used, *block, __ATOMIC_SEQ_CST); memset(block + 32, 0xee, *block); free(block); }
        if (op->kind == KERNEL) {
            const float* x = (float*)op->args[0]; float* y = (float*)op->args[1];
            int n = (int)op->args[2];
            for (int i = 0; i < n; i++) y[i] = x[i] * op->s;
            if (op->s == -1.0f) dead = 700;
            if (n == 3 && op->args[3]) {
                unsigned* record = (unsigned*)op->args[3];
                unsigned words[8] = {1, 0, 5, 6, 7, 1, 2, 3};
                memcpy(record, words, sizeof words);
                ((long long*)record)[4] = -1; 
            }
        }
        free(op);
    }
    pthread_mutex_unlock(&lock);
}

// Functions that tests call on the stub itself.
int stubCount(int what) { return what == 0 ? launches : what == 1 ? waits : depth; }

int cuDriverGetVersion(int* v) { *v = 13000; return 0; }
int cuInit(unsigned f) {
    fast = getenv("HIDET_STUB_FAST") != 0;
    slow = getenv("HIDET_STUB_SLOW") != 0;
    reads = getenv("HIDET_STUB_READS");
    if (getenv("HIDET_STUB_MEMORY")) memory = atol(getenv("HIDET_STUB_MEMORY"));
    return 0;
}
int cuGetErrorName(int e, const char** s) { *s = e == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR"; return 0; }
int cuGetErrorString(int e, const char** s) { *s = e == 700 ? "an illegal memory access was encountered" : "it failed"; return 0; }
int cuDeviceGetCount(int* n) { *n = DEVICES; return 0; }
int cuDeviceGet(int* d, int i) { *d = i; return 0; }
int cuDeviceGetName(char* s, int n, int d) { strcpy(s, "Stub"); return 0; }
int cuDeviceGetAttribute(int* v, int a, int d) {
    *v = a == 75 ? 9 : a == 76 ? 0 : a == 1 ? 1024 : a == 5 ? 2147483647 : a == 6 || a == 7 ? 65535 : a == 97 ? 232448 : 1;
    return 0;
}
int cuDeviceTotalMem_v2(size_t* n, int d) { *n = memory; return 0; }
int cuDevicePrimaryCtxRetain(void** c, int d) { *c = &contexts[d]; return 0; }
int cuDevicePrimaryCtxRelease_v2(int d) { printf("released: %d\n", d); fflush(stdout); return 0; }
int cuCtxGetCurrent(void** c) { *c = stack[depth]; return 0; }
int cuCtxSetCurrent(void* c) { stack[depth] = c; return 0; }
static Stream* streams[256];
static int made_streams = 0;
int cuCtxSynchronize(void) { for (int i = 0; i < made_streams; i++) run(streams[i], streams[i]->asked); return dead; }
int cuCtxPushCurrent_v2(void* c) { stack[++depth] = c; return 0; }
int cuCtxPopCurrent_v2(void** c) { *c = stack[depth--]; return 0; }
int cuStreamCreate(void** s, unsigned f) {
    if (getenv("HIDET_STUB_FULL")) return 2;
    Stream* made = calloc(1, sizeof(Stream));
    made->device = (int)(stack[depth] - contexts);
    *s = streams[made_streams++] = made;
    return 0;
}
int cuStreamSynchronize(Stream* s) { ALIVE; if (s->capturing) return 900; run(s, s->asked); return dead; }
int cuStreamDestroy_v2(void* s) { return 0; }
int cuStreamWaitEvent(Stream* s, Event* e, unsigned f) {
    ALIVE; OF(s);
    if (slow) usleep(60000);
    if (s->capturing) return 905;
    waits++;
    return e->stream ? ask(s, (Op){.kind = WAIT, .other = e->stream, .until = e->at}) : 0;
}
int cuStreamBeginCapture_v2(Stream* s, int mode) { ALIVE; OF(s); if (s->capturing) return 901; s->capturing = 1; return 0; }
int cuStreamEndCapture(Stream* s, void** g) {
    Graph* made = calloc(1, sizeof(Graph));
    made->first = s->captured;
    s->captured = s->captured_last = 0;
    s->capturing = 0;
    *g = made;
    return 0;
}
int cuMemAlloc_v2(addr* p, size_t n) { return 1; }
int cuMemFree_v2(addr p) { return 1; }
int cuMemAllocAsync(addr* p, size_t n, Stream* s) {
    ALIVE; OF(s);
    if (n > memory - used) return 2;
    size_t* block = aligned_alloc(256, 256 + (n + 255) / 256 * 256);
    *block = n;
    __atomic_fetch_add(&used, n, __ATOMIC_SEQ_CST);
    memset(block + 32, 0xdd, n);
    *p = (addr)(block + 32);
    return 0;
}
int cuMemFreeAsync(addr p, Stream* s) { ALIVE; if (s->capturing) return 905; return ask(s, (Op){.kind = FREE, .to = p}); }
int cuMemGetInfo_v2(size_t* free, size_t* total) { *free = memory - used; *total = memory; return 0; }
static struct { addr at; size_t bytes; } pinned[256];
static int pins = 0;
static int is_pinned(addr p) { for (int i = 0; i < pins; i++) if (p >= pinned[i].at && p < pinned[i].at + pinned[i].bytes) return 1; return 0; }
int cuMemHostAlloc(void** p, size_t n, unsigned f) {
    *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096);
    pinned[pins].at = (addr)*p;
    pinned[pins++].bytes = n;
    return 0;
}
int cuMemFreeHost(void* p) { free(p); return 0; }
int cuDeviceGetDefaultMemPool(void** p, int d) { *p = &dead; return 0; }
int cuMemPoolSetAttribute(void* p, int a, void* v) { return *(addr*)v == ~0ull ? 0 : 1; }
int cuMemPoolTrimTo(void* p, size_t n) { return 0; }
// Copies from and to memory that is not pinned are staged before the call returns.
int cuMemcpyHtoDAsync_v2(addr to, const void* from, size_t n, Stream* s) {
    ALIVE;
    if (is_pinned((addr)from)) return ask(s, (Op){.kind = COPY, .to = to, .from = (addr)from, .bytes = n});
    return ask(s, (Op){.kind = OWNED, .to = to, .from = (addr)memcpy(malloc(n), from, n), .bytes = n});
}
int cuMemcpyDtoHAsync_v2(void* to, addr from, size_t n, Stream* s) {
    ALIVE;
    if (reads) { memset(to, atoi(reads), n); return 0; }
    int status = ask(s, (Op){.kind = COPY, .to = (addr)to, .from = from, .bytes = n});
    if (!status && !is_pinned((addr)to)) run(s, s->asked);
    return status ? status : dead;
}
int cuMemcpyDtoDAsync_v2(addr to, addr from, size_t n, Stream* s) { ALIVE; return ask(s, (Op){.kind = COPY, .to = to, .from = from, .bytes = n}); }
int cuMemcpyPeerAsync(addr to, int* a, addr from, int* b, size_t n, Stream* s) {
    ALIVE;
    return a == b ? 1 : ask(s, (Op){.kind = COPY, .to = to, .from = from, .bytes = n});
}
int cuMemsetD8Async(addr to, unsigned char b, size_t n, Stream* s) { ALIVE; return ask(s, (Op){.kind = SET, .to = to, .from = b, .bytes = n}); }
int cuModuleLoadData(void** m, const void* image) { ALIVE; *m = &dead; return memcmp(image, "\177ELF", 4) ? 200 : 0; }
int cuModuleGetFunction(void** f, void* m, const char* name) { *f = &dead; return !fast && strcmp(name, "scale_") ? 500 : 0; }
int cuModuleUnload(void* m) { return 0; }
int cuFuncSetAttribute(void* f, int a, int v) { return 0; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void* f, int threads, size_t shared) { *n = 2048 / threads; return 0; }
int cuOccupancyMaxActiveClusters(int* n, void* f, const void* config) { *n = 7; return 0; }
static Op kernel(void** params) {
    int n = *(int*)params[3];
    return (Op){.kind = KERNEL, .args = {*(addr*)params[0], *(addr*)params[1], n, n == 3 ? *(addr*)params[4] : 0}, .s = *(float*)params[2]};
}
int cuLaunchKernel(void* f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared, Stream* s, void** params, void** extra) {
    static int count = 0;
    count++;
    if (fast && getenv("HIDET_STUB_FAULT") && atoi(getenv("HIDET_STUB_FAULT")) == count) dead = 700;
    if (fast && getenv("HIDET_STUB_HANG") && atoi(getenv("HIDET_STUB_HANG")) == count) for (;;) pause();
    if (fast) return 0;
    ALIVE;
    if (!s->capturing) { printf("launch: grid %u %u %u block %u %u %u shared %u\n", x, y, z, bx, by, bz, shared); fflush(stdout); launches++; }
    return ask(s, kernel(params));
}
struct Config { unsigned grid[3], block[3], shared; Stream* stream; void* attributes; unsigned count; };
int cuLaunchKernelEx(const struct Config* c, void* f, void** params, void** extra) {
    const unsigned *g = c->grid, *b = c->block;
    return cuLaunchKernel(f, g[0], g[1], g[2], b[0], b[1], b[2], c->shared, c->stream, params, extra);
}
int cuEventCreate(void** e, unsigned f) { Event* made = calloc(1, sizeof(Event)); made->timed = f != 2; *e = made; return 0; }
int cuEventRecord(Event* e, Stream* s) { ALIVE; OF(s); if (s->capturing) return 905; e->stream = s; e->at = s->asked; return 0; }
int cuEventSynchronize(Event* e) { ALIVE; if (e->stream) run(e->stream, e->at); return dead; }
int cuEventQuery(Event* e) { ALIVE; return !e->stream || e->stream->done >= e->at ? 0 : 600; }
int cuEventElapsedTime(float* ms, Event* a, Event* b) { *ms = 0.5f; return a->timed && b->timed ? 0 : 1; }
int cuEventDestroy_v2(Event* e) { free(e); return 0; }
int cuTensorMapEncodeTiled(void* m) { return 0; }
int cuTensorMapEncodeIm2col(void* m) { return 0; }
int cuGraphCreate(void** g, unsigned f) { *g = calloc(1, sizeof(Graph)); return 0; }
struct NodeParams { void* function; unsigned grid[3], block[3], shared; void** params; void** extra; void* kernel; void* context; };
int cuGraphAddKernelNode_v2(void** n, Graph* g, Node* const* after, size_t count, const struct NodeParams* p) {
    Node* made = calloc(1, sizeof(Node));
    if (g->count == 256 || count > 16) return 1;
    if (!fast) made->op = make(kernel(p->params));
    for (made->count = 0; made->count < count; made->count++) made->after[made->count] = after[made->count];
    *n = g->nodes[g->count++] = made;
    return 0;
}
// A node along whose edges it may begin early waits itself, so the order is the same.
struct Edge { unsigned char from_port, to_port, type, reserved[5]; };
int cuGraphAddDependencies_v2(Graph* g, Node* const* from, Node* const* to, const struct Edge* edges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (edges[i].from_port != 1 || edges[i].type != 1) return 1;
        if (to[i]->count == 16) return 1;
        to[i]->after[to[i]->count++] = from[i];
    }
    return 0;
}
// Of the nodes that may run, the last one that was added runs first, so that a missing dependency gives a wrong result.
int cuGraphInstantiateWithFlags(void** exec, Graph* g, addr flags) {
    Graph* made = calloc(1, sizeof(Graph));
    made->first = g->first;
    for (size_t left = fast ? 0 : g->count; left; left--) {
        size_t pick = g->count;
        for (int ready = 0; !ready && pick;) {
            Node* node = g->nodes[--pick];
            ready = !node->done;
            for (size_t i = 0; i < node->count; i++) ready &= node->after[i]->done;
        }
        Node* node = g->nodes[pick];
        node->done = 1;
        if (made->last) made->last->next = node->op; else made->first = node->op;
        made->last = node->op;
    }
    *exec = made;
    return 0;
}
int cuGraphLaunch(Graph* g, Stream* s) {
    ALIVE;
    if (s->capturing) return 905;
    for (Op* op = g->first; op; op = op->next) {
        int status = ask(s, *op);
        if (status) return status;
    }
    return 0;
}
int cuGraphExecDestroy(Graph* g) { free(g); return 0; }
int cuGraphDestroy(Graph* g) { free(g); return 0; }
