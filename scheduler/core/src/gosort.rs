//! The unstable order of Go's `sort.Sort` (Go 1.19 and later), which is observable.
//!
//! Clusters with equal weights among more than twelve are divided in the order that upstream's sort leaves them in, so
//! that order has to be reproduced: a pattern-defeating quicksort with insertion sort for short ranges, a median of
//! three (or of three medians) as pivot, a bounded insertion sort for ranges that look sorted, a deterministic xorshift
//! to break patterns and heapsort when partitions stay unbalanced. Anything else may use Rust's stable sort.

use std::ops::Range;

/// Ranges up to this length are sorted by insertion, hence stably.
const INSERTION_LIMIT: usize = 12;

/// Sorts `items` so that `less(a, b)` means a comes first, leaving equal items in the order Go would.
pub fn sort_by<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let bits = (usize::BITS - items.len().leading_zeros()) as usize;
    let range = 0..items.len();
    Sorter { items, less }.quicksort(range, bits);
}

/// What the choice of a pivot said about the order of a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

struct Sorter<'a, T, F> {
    items: &'a mut [T],
    less: F,
}

impl<T, F: Fn(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&self, a: usize, b: usize) -> bool {
        (self.less)(&self.items[a], &self.items[b])
    }

    fn quicksort(&mut self, mut range: Range<usize>, mut bad_choices_left: usize) {
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = range.len();
            if length <= INSERTION_LIMIT {
                return self.insertion(range);
            }
            if bad_choices_left == 0 {
                return self.heap(range);
            }
            if !balanced {
                self.break_patterns(range.clone());
                bad_choices_left -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(range.clone());
            if hint == Hint::Decreasing {
                self.items[range.clone()].reverse();
                pivot = range.end - 1 - (pivot - range.start);
                hint = Hint::Increasing;
            }
            if balanced && partitioned && hint == Hint::Increasing && self.insertion_if_nearly_sorted(range.clone()) {
                return;
            }
            // Everything here is at least the element before the range; when that one equals the pivot, the pivot is
            // the minimum and its duplicates are set aside at once.
            if range.start > 0 && !self.less(range.start - 1, pivot) {
                range.start = self.partition_equal(range.clone(), pivot);
                continue;
            }
            let (middle, already) = self.partition(range.clone(), pivot);
            partitioned = already;
            let (left, right) = (middle - range.start, range.end - middle);
            let threshold = length / 8;
            if left < right {
                balanced = left >= threshold;
                self.quicksort(range.start..middle, bad_choices_left);
                range.start = middle + 1;
            } else {
                balanced = right >= threshold;
                self.quicksort(middle + 1..range.end, bad_choices_left);
                range.end = middle;
            }
        }
    }

    fn insertion(&mut self, range: Range<usize>) {
        for i in range.start + 1..range.end {
            let mut j = i;
            while j > range.start && self.less(j, j - 1) {
                self.items.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    fn heap(&mut self, range: Range<usize>) {
        let length = range.len();
        for root in (0..=(length - 1) / 2).rev() {
            self.sift_down(range.start, root, length);
        }
        for last in (0..length).rev() {
            self.items.swap(range.start, range.start + last);
            self.sift_down(range.start, 0, last);
        }
    }

    fn sift_down(&mut self, first: usize, mut root: usize, length: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= length {
                return;
            }
            if child + 1 < length && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.items.swap(first + root, first + child);
            root = child;
        }
    }

    /// Splits into items less than the pivot, the pivot at the returned place, and the others; tells whether nothing
    /// had to move.
    fn partition(&mut self, range: Range<usize>, pivot: usize) -> (usize, bool) {
        let start = range.start;
        self.items.swap(start, pivot);
        let (mut low, mut high) = (start + 1, range.end - 1);
        let mut already = true;
        loop {
            while low <= high && self.less(low, start) {
                low += 1;
            }
            while low <= high && !self.less(high, start) {
                high -= 1;
            }
            if low > high {
                break;
            }
            self.items.swap(low, high);
            low += 1;
            high -= 1;
            already = false;
        }
        self.items.swap(high, start);
        (high, already)
    }

    /// Moves the items equal to the pivot, which is the minimum, to the front and returns where the others begin.
    fn partition_equal(&mut self, range: Range<usize>, pivot: usize) -> usize {
        let start = range.start;
        self.items.swap(start, pivot);
        let (mut low, mut high) = (start + 1, range.end - 1);
        loop {
            while low <= high && !self.less(start, low) {
                low += 1;
            }
            while low <= high && self.less(start, high) {
                high -= 1;
            }
            if low > high {
                return low;
            }
            self.items.swap(low, high);
            low += 1;
            high -= 1;
        }
    }

    /// Sorts by a few moves and says so, or gives up.
    fn insertion_if_nearly_sorted(&mut self, range: Range<usize>) -> bool {
        const MOVES: usize = 5;
        const WORTH_MOVING: usize = 50;
        let mut at = range.start + 1;
        for _ in 0..MOVES {
            while at < range.end && !self.less(at, at - 1) {
                at += 1;
            }
            if at == range.end {
                return true;
            }
            if range.len() < WORTH_MOVING {
                return false;
            }
            self.items.swap(at, at - 1);
            if at - range.start >= 2 {
                let mut j = at - 1;
                while j >= 1 && self.less(j, j - 1) {
                    self.items.swap(j, j - 1);
                    j -= 1;
                }
            }
            if range.end - at >= 2 {
                let mut j = at + 1;
                while j < range.end && self.less(j, j - 1) {
                    self.items.swap(j, j - 1);
                    j += 1;
                }
            }
        }
        false
    }

    /// Scatters three items so that an adversarial order does not stay one.
    fn break_patterns(&mut self, range: Range<usize>) {
        let length = range.len();
        if length < 8 {
            return;
        }
        let mut random = length as u64;
        let modulus = 1_u64 << (usize::BITS - length.leading_zeros());
        let index = range.start + (length / 4) * 2 - 1;
        for i in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = (random & (modulus - 1)) as usize;
            if other >= length {
                other -= length;
            }
            self.items.swap(index - 1 + i, range.start + other);
        }
    }

    fn choose_pivot(&self, range: Range<usize>) -> (usize, Hint) {
        const NINTHER: usize = 50;
        const ALL_SWAPPED: usize = 4 * 3;
        let length = range.len();
        let mut swaps = 0;
        let [mut i, mut j, mut k] = [1, 2, 3].map(|quarter| range.start + length / 4 * quarter);
        if length >= 8 {
            if length >= NINTHER {
                i = self.median(i - 1, i, i + 1, &mut swaps);
                j = self.median(j - 1, j, j + 1, &mut swaps);
                k = self.median(k - 1, k, k + 1, &mut swaps);
            }
            j = self.median(i, j, k, &mut swaps);
        }
        let hint = match swaps {
            0 => Hint::Increasing,
            ALL_SWAPPED => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (j, hint)
    }

    fn median(&self, a: usize, b: usize, c: usize, swaps: &mut usize) -> usize {
        let mut ordered = |x: usize, y: usize| {
            if self.less(y, x) {
                *swaps += 1;
                (y, x)
            } else {
                (x, y)
            }
        };
        let (a, b) = ordered(a, b);
        let (b, _) = ordered(b, c);
        ordered(a, b).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_any_pattern() {
        let mut seed = 7_u64;
        for length in 0..400_usize {
            for pattern in 0..6_u64 {
                let mut items: Vec<(u64, usize)> = (0..length)
                    .map(|at| {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let key = match pattern {
                            0 => at as u64,
                            1 => (length - at) as u64,
                            2 => 1,
                            3 => at as u64 % 3,
                            4 => (seed >> 33) % 5,
                            _ => seed >> 20,
                        };
                        (key, at)
                    })
                    .collect();
                sort_by(&mut items, |a, b| a.0 < b.0);
                assert!(items.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{length} {pattern}");
                let mut ids: Vec<_> = items.iter().map(|item| item.1).collect();
                ids.sort_unstable();
                assert!(ids.into_iter().eq(0..length));
            }
        }
    }

    #[test]
    fn up_to_twelve_is_stable() {
        let mut items: Vec<(u8, u8)> = (0..12).map(|at| (at % 2, at)).collect();
        sort_by(&mut items, |a, b| a.0 > b.0);
        let order: Vec<u8> = items.iter().map(|item| item.1).collect();
        assert_eq!(order, [1, 3, 5, 7, 9, 11, 0, 2, 4, 6, 8, 10]);
    }
}
