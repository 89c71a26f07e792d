//! What `steps` holds, by number, and what of it counts.

/// What `steps` holds, ascending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    /// First and last number of each finished segment that counts; they differ where segments were
    /// merged.
    pub(crate) segments: Vec<(u64, u64)>,
    /// Those that are wholly in another one: a copy of the run that is kept without deleting has
    /// them.
    pub(crate) superseded: Vec<(u64, u64)>,
    pub(crate) journals: Vec<u64>,
}

impl Listing {
    pub(crate) fn new(mut all: Vec<(u64, u64)>, mut journals: Vec<u64>) -> Listing {
        all.sort_unstable_by_key(|&(first, last)| (first, std::cmp::Reverse(last)));
        journals.sort_unstable();
        let mut listing = Listing { journals, ..Listing::default() };
        for numbers in all {
            let is_within = listing.segments.last().is_some_and(|&(_, end)| numbers.1 <= end);
            if is_within { &mut listing.superseded } else { &mut listing.segments }.push(numbers);
        }
        listing
    }

    /// One more than the last number.
    pub(crate) fn next_number(&self) -> u64 {
        let last = self.segments.last().map(|&(_, last)| last).max(self.journals.last().copied());
        last.map_or(0, |last| last.saturating_add(1))
    }

    /// The finished segment that holds a number; of several the one that goes furthest.
    pub(crate) fn segment_at(&self, number: u64) -> Option<(u64, u64)> {
        let after = self.segments.partition_point(|&(first, _)| first <= number);
        self.segments[..after].last().copied().filter(|&(_, last)| number <= last)
    }

    /// The number of the first part that begins after `number`; one more than that where there is
    /// none.
    pub(crate) fn number_after(&self, number: u64) -> u64 {
        let segment = self.segments.iter().map(|&(first, _)| first).find(|&first| first > number);
        let journal = self.journals.iter().copied().find(|&journal| journal > number);
        segment.into_iter().chain(journal).min().unwrap_or(number.saturating_add(1))
    }

    /// The number of the last part that begins before `end`.
    pub(crate) fn number_before(&self, end: u64) -> Option<u64> {
        let segment =
            self.segments.iter().rev().map(|&(first, _)| first).find(|&first| first < end);
        let is_alone = |journal: &&u64| **journal < end && self.segment_at(**journal).is_none();
        segment.max(self.journals.iter().rev().find(is_alone).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_segments_that_overlap_the_larger_count() {
        let listing =
            Listing::new(vec![(1, 1), (7, 7), (0, 0), (0, 2), (3, 3), (4, 6), (5, 5)], vec![6, 8]);
        assert_eq!(listing.segments, [(0, 2), (3, 3), (4, 6), (7, 7)]);
        assert_eq!(listing.superseded, [(0, 0), (1, 1), (5, 5)]);
        assert_eq!(listing.next_number(), 9);
        let at: Vec<_> =
            (0..9).map(|number| listing.segment_at(number).map_or(9, |(first, _)| first)).collect();
        assert_eq!(at, [0, 0, 0, 3, 4, 4, 4, 7, 9]);
        assert_eq!(
            [0, 2, 6, 7, 8, 20].map(|number| listing.number_after(number)),
            [3, 3, 7, 8, 9, 21]
        );
        let parts =
            std::iter::successors(listing.number_before(9), |&end| listing.number_before(end));
        assert_eq!(parts.collect::<Vec<_>>(), [8, 7, 4, 3, 0]);
    }

    #[test]
    fn of_segments_that_overlap_in_part_the_one_that_goes_further_is_gone_on_with() {
        let listing = Listing::new(vec![(2, 6), (0, 3)], Vec::new());
        assert_eq!(listing.segments, [(0, 3), (2, 6)]);
        assert_eq!((listing.segment_at(1), listing.segment_at(4)), (Some((0, 3)), Some((2, 6))));
        assert_eq!(listing.segment_at(7), None);
    }
}
