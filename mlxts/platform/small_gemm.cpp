// Answers cblas_sgemm in front of MKL; see small_gemm.py, which says why and compiles this.
//
// Products of a few thousand multiply-adds are computed here: MKL's fixed cost for a call is
// several times the arithmetic. Others go to MKL, those below SERIAL_BELOW on one thread, and few
// rows times a tall matrix in pieces.

#include <cstring>

using Gemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                      float, float*, int);
using Threads = int (*)(int);

static Gemm gemm;
static Threads threads;

#ifdef __AVX512F__
constexpr int WIDTH = 16;
#else
constexpr int WIDTH = 8;
#endif
using Vector __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias)) = float;

constexpr int FEW_ROWS = 256, TALLEST = 512;  // where pieces pay, and how tall they are
constexpr int LARGEST = 64;  // of n and k, so that a packed B fits on the stack

// ROWS rows of C by VECTORS vectors, held in registers while p runs over the inner dimension.
// A(i, p) is a[i * down + p * along]; rows of B are contiguous and padded to whole vectors.
template <int ROWS, int VECTORS>
static inline void block(int n, int k, float alpha, const float* a, long down, long along,
                         const float* b, int ldb, float* c, int ldc) {
  Vector sum[ROWS][VECTORS] = {};
  for (int p = 0; p < k; ++p) {
    Vector row[VECTORS];
    for (int v = 0; v < VECTORS; ++v) row[v] = *(const Vector*)(b + p * ldb + v * WIDTH);
    for (int i = 0; i < ROWS; ++i)
      for (int v = 0; v < VECTORS; ++v) sum[i][v] += a[i * down + p * along] * row[v];
  }
  for (int i = 0; i < ROWS; ++i) {
    float out[VECTORS * WIDTH];
    for (int v = 0; v < VECTORS; ++v) *(Vector*)(out + v * WIDTH) = alpha * sum[i][v];
    if (n == VECTORS * WIDTH)
      std::memcpy(c + i * ldc, out, sizeof out);
    else
      for (int j = 0; j < n; ++j) c[i * ldc + j] = out[j];
  }
}

template <int VECTORS>
static void columns(int m, int n, int k, float alpha, const float* a, long down, long along,
                    const float* b, int ldb, float* c, int ldc) {
  while (m > 0) {
    const int rows = m > 8 ? 5 : m > 5 ? 4 : m;  // 9 is 5 and 4, 8 is 4 and 4
    switch (rows) {
      case 5: block<5, VECTORS>(n, k, alpha, a, down, along, b, ldb, c, ldc); break;
      case 4: block<4, VECTORS>(n, k, alpha, a, down, along, b, ldb, c, ldc); break;
      case 3: block<3, VECTORS>(n, k, alpha, a, down, along, b, ldb, c, ldc); break;
      case 2: block<2, VECTORS>(n, k, alpha, a, down, along, b, ldb, c, ldc); break;
      default: block<1, VECTORS>(n, k, alpha, a, down, along, b, ldb, c, ldc);
    }
    m -= rows;
    a += rows * down;
    c += rows * ldc;
  }
}

static void small(bool ta, bool tb, int m, int n, int k, float alpha, const float* a, int lda,
                  const float* b, int ldb, float* c, int ldc) {
  const long down = ta ? 1 : lda, along = ta ? lda : 1;
  alignas(64) float packed[LARGEST * LARGEST];
  if (tb || n % WIDTH) {  // rows of B that are contiguous and whole vectors
    const int padded = (n + WIDTH - 1) / WIDTH * WIDTH;
    for (int p = 0; p < k; ++p) {
      float* row = packed + p * padded;
      if (tb)
        for (int j = 0; j < n; ++j) row[j] = b[j * ldb + p];
      else
        std::memcpy(row, b + p * ldb, sizeof(float) * n);
      for (int j = n; j < padded; ++j) row[j] = 0;
    }
    b = packed;
    ldb = padded;
  }
  while (n > 0) {
    const int wide = n < 2 * WIDTH ? n : 2 * WIDTH;
    if (wide > WIDTH)
      columns<2>(m, wide, k, alpha, a, down, along, b, ldb, c, ldc);
    else
      columns<1>(m, wide, k, alpha, a, down, along, b, ldb, c, ldc);
    n -= wide;
    b += wide;
    c += wide;
  }
}

// The inner product of contiguous vectors: a gradient's sum of squares. Blocks are added in double,
// because millions of terms in single precision lose the fourth digit.
static float dot(long k, const float* a, const float* b) {
  constexpr long BLOCK = 64 * WIDTH;
  double total = 0;
  for (long from = 0; from < k; from += BLOCK) {
    const long length = k - from < BLOCK ? k - from : BLOCK;
    Vector sum[4] = {};
    long p = 0;
    for (; p + 4 * WIDTH <= length; p += 4 * WIDTH)
      for (int v = 0; v < 4; ++v)
        sum[v] += *(const Vector*)(a + from + p + v * WIDTH) *
                  *(const Vector*)(b + from + p + v * WIDTH);
    float part = 0;
    for (; p < length; ++p) part += a[from + p] * b[from + p];
    const Vector all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int j = 0; j < WIDTH; ++j) part += all[j];
    total += part;
  }
  return static_cast<float>(total);
}

extern "C" void mlxts_connect(void* gemm_, void* threads_) {
  gemm = reinterpret_cast<Gemm>(gemm_);
  threads = reinterpret_cast<Threads>(threads_);
}

extern "C" void cblas_sgemm(int layout, int ta, int tb, int m, int n, int k, float alpha,
                            const float* a, int lda, const float* b, int ldb, float beta, float* c,
                            int ldc) {
  constexpr int ROW_MAJOR = 101, AS_IT_IS = 111;
  const long products = 1L * m * n * k;
  const bool rows = (ta == AS_IT_IS || lda == 1) && (tb != AS_IT_IS || ldb == 1);
  if (m == 1 && n == 1 && rows && beta == 0 && layout == ROW_MAJOR) {
    *c = alpha * dot(k, a, b);
    return;
  }
  if (products < OWN_BELOW && n <= LARGEST && k <= LARGEST && beta == 0 && layout == ROW_MAJOR) {
    small(ta != AS_IT_IS, tb != AS_IT_IS, m, n, k, alpha, a, lda, b, ldb, c, ldc);
    return;
  }
  if (products < SERIAL_BELOW) {
    const int before = threads(1);
    gemm(layout, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    threads(before);
    return;
  }
  // Few rows times a tall matrix as it is stored: MKL reaches a third less than in pieces.
  const bool plain = layout == ROW_MAJOR && ta == AS_IT_IS && tb == AS_IT_IS;
  const int piece = plain && m < FEW_ROWS && k > TALLEST ? TALLEST : k;
  for (int from = 0; from < k; from += piece) {
    gemm(layout, ta, tb, m, n, k - from < piece ? k - from : piece, alpha, a + from, lda,
         b + 1L * from * ldb, ldb, from ? 1.0f : beta, c, ldc);
  }
}
