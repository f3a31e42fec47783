// Tiles of the matrix unit: 16 rows of 64 bytes, eight of them.
//
//   sum (16 rows, 16 floats) += left (16 rows, 32 bfloat16) right (16 pairs of rows, 16 columns)
//
// with the two rows of a pair beside each other in each column of `right`. The compiler knows
// nothing of the tiles' reads, so each says that memory is meant; no tile outlives a Session.

#pragma once

#include "pack.h"

namespace recurra::RECURRA_LEVEL {

// Rows and columns of a tile of sums, k of a multiplication, and numbers of an operand's tile.
constexpr int64_t kSide = 16, kDepth = 32, kTile = kSide * kDepth;
// Which of the eight they are: four sums (two by two, or side by side), two left, two right.
constexpr int kLeft = 4, kRight = 6;

// Whole steps of kDepth.
RECURRA_INLINE int64_t depths(int64_t K) { return (K + kDepth - 1) / kDepth; }

// While it lives, the tiles are this thread's: on the left and of sums, the upper ones have `upper`
// rows and the lower ones `lower`, both 1..16.
class Session {
 public:
  Session(int64_t upper, int64_t lower) {
    Shape shape{};
    for (int t = 0; t < 8; t++) {
      const bool below = t == 2 || t == 3 || t == kLeft + 1;
      shape.bytes[t] = 64;
      shape.rows[t] = static_cast<uint8_t>(t >= kRight ? kSide : below ? lower : upper);
    }
    asm volatile("ldtilecfg %0" : : "m"(shape) : "memory");
  }
  ~Session() { asm volatile("tilerelease" : : : "memory"); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  struct Shape {
    uint8_t palette = 1, start = 0, none[14]{};
    uint16_t bytes[16]{};
    uint8_t rows[16]{};
  };
};

// stride: bytes from row to row.
template <int tile>
RECURRA_INLINE void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
RECURRA_INLINE void tile_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
RECURRA_INLINE void tile_clear() {
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}
template <int sum, int left, int right>
RECURRA_INLINE void tile_multiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(left), "i"(right));
}

// Part of a tile of sums: element (r, c) at `at` + r * row + c * column.
struct Part {
  float* at;
  int64_t row, column, rows, columns;

  // Whether it comes and goes as a tile of its rows.
  bool whole(int64_t height) const { return column == 1 && columns == kSide && rows == height; }
};

// Where the numbers of other parts lie as in a tile.
struct alignas(64) Square {
  float number[kSide * kSide];
};

// Begins sums of `height` rows with what lies at `part`; with zeros where that is null.
template <int tile>
RECURRA_INLINE void begin_sums(const Part& part, int64_t height) {
  if (!part.at) return tile_clear<tile>();
  if (part.whole(height)) return tile_load<tile>(part.at, part.row * 4);
  Square square{};
  for (int64_t r = 0; r < part.rows; r++)
    for (int64_t c = 0; c < part.columns; c++)
      square.number[r * kSide + c] = part.at[r * part.row + c * part.column];
  tile_load<tile>(square.number, 64);
}

template <int tile>
RECURRA_INLINE void end_sums(const Part& part, int64_t height) {
  if (part.whole(height)) return tile_store<tile>(part.at, part.row * 4);
  Square square;
  tile_store<tile>(square.number, 64);
  for (int64_t r = 0; r < part.rows; r++)
    for (int64_t c = 0; c < part.columns; c++)
      part.at[r * part.row + c * part.column] = square.number[r * kSide + c];
}

// Calls f.run<tile>(r, c) for the sums of R tiles of rows and C of columns.
template <int R, int C, typename F>
RECURRA_INLINE void each_sum(F f) {
  f.template operator()<0>(0, 0);
  if constexpr (C > 1) f.template operator()<1>(0, 1);
  if constexpr (R > 1) f.template operator()<2>(1, 0);
  if constexpr (R > 1 && C > 1) f.template operator()<3>(1, 1);
  if constexpr (C > 2) {
    f.template operator()<2>(0, 2);
    f.template operator()<3>(0, 3);
  }
}

// Tiles of an operand: `beside` numbers to the next rows or columns, `step` to the next k.
struct Tiles {
  const uint16_t* at;
  int64_t beside, step;
};

// Adds up R tiles of rows and C of columns over `count` steps of k: (2, 1), (2, 2), (1, 1), (1, 2),
// or (1, 4), whose last two columns lie at `more`.
template <int R, int C>
RECURRA_INLINE void add_products(const Tiles& left, const Tiles& right, const uint16_t* more,
                                 int64_t count) {
  for (int64_t k = 0; k < count; k++) {
    const uint16_t *a = left.at + k * left.step, *b = right.at + k * right.step;
    tile_load<kRight>(b, 64);
    tile_load<kLeft>(a, 64);
    tile_multiply<0, kLeft, kRight>();
    if constexpr (C > 1) {
      tile_load<kRight + 1>(b + right.beside, 64);
      tile_multiply<1, kLeft, kRight + 1>();
    }
    if constexpr (R > 1) {
      tile_load<kLeft + 1>(a + left.beside, 64);
      tile_multiply<2, kLeft + 1, kRight>();
      if constexpr (C > 1) tile_multiply<3, kLeft + 1, kRight + 1>();
    }
    if constexpr (C > 2) {
      tile_load<kRight>(more + k * right.step, 64);
      tile_multiply<2, kLeft, kRight>();
      tile_load<kRight + 1>(more + k * right.step + right.beside, 64);
      tile_multiply<3, kLeft, kRight + 1>();
    }
  }
}

// Sixteen pairs of bfloat16, nearest even: number i of `even` before number i of `odd`.
RECURRA_INLINE vec<float> pairs(vec<float> even, vec<float> odd) {
  const __m512i order = _mm512_setr_epi32(
      0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007, 0x180008,
      0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d, 0x1e000e, 0x1f000f);
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
  return (vec<float>)_mm512_permutexvar_epi16(order, both);
}

// Thirty-two numbers as bfloat16, nearest even, one behind the other.
RECURRA_INLINE vec<float> row_of(vec<float> first, vec<float> second) {
  return (vec<float>)_mm512_cvtne2ps_pbh(second, first);
}

// n numbers at p, and zeros after them; any n.
RECURRA_INLINE vec<float> load_some(const float* p, int64_t n) {
  return n >= kSide ? load(p) : n > 0 ? load_part(p, n) : vec<float>{};
}

RECURRA_INLINE void store_pairs(uint16_t* to, vec<float> v) {
  store<float>(reinterpret_cast<float*>(to), v);
}

}  // namespace recurra::RECURRA_LEVEL
