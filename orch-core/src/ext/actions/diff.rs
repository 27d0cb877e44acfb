//! Two texts as a unified diff. After Eugene Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).

use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Numbers that the search may keep: 64 MiB of them.
const MAX_TRACE: usize = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep(usize, usize),
    Drop(usize),
    Add(usize),
}

/// The difference as `diff -u` writes it, empty where there is none.
///
/// ```
/// let diff = orch_core::ext::actions::unified_diff("a.yml", "one\ntwo\n", "one\nthree\n");
/// assert_eq!(diff, "--- a/a.yml\n+++ b/a.yml\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n");
/// ```
pub fn unified_diff(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let one: Vec<&str> = old.split_inclusive('\n').collect();
    let two: Vec<&str> = new.split_inclusive('\n').collect();
    let steps = steps(&one, &two);
    let mut text = format!("--- a/{name}\n+++ b/{name}\n");
    let changed: Vec<usize> =
        steps.iter().enumerate().filter(|(_, step)| !matches!(step, Step::Keep(..))).map(|(nth, _)| nth).collect();
    let mut at = 0;
    while let Some(&first) = changed.get(at) {
        let mut last = first;
        while let Some(&next) = changed.get(at).filter(|next| **next <= last + 2 * CONTEXT) {
            last = next;
            at += 1;
        }
        let range = first.saturating_sub(CONTEXT)..(last + CONTEXT + 1).min(steps.len());
        hunk(&mut text, steps.get(range.clone()).unwrap_or_default(), &one, &two, before(&steps, range.start));
    }
    text
}

/// How many lines of each text stand before that step.
fn before(steps: &[Step], end: usize) -> (usize, usize) {
    let steps = steps.get(..end).unwrap_or_default();
    let old = steps.iter().filter(|step| !matches!(step, Step::Add(_))).count();
    let new = steps.iter().filter(|step| !matches!(step, Step::Drop(_))).count();
    (old, new)
}

fn hunk(text: &mut String, steps: &[Step], one: &[&str], two: &[&str], (old, new): (usize, usize)) {
    let (olds, news) = before(steps, steps.len());
    // A side without lines names the line before it.
    let side = |start: usize, count: usize| match count {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{count}", start + 1),
    };
    let _ = writeln!(text, "@@ -{} +{} @@", side(old, olds), side(new, news));
    for step in steps {
        let (sign, line) = match *step {
            Step::Keep(nth, _) => (' ', one.get(nth)),
            Step::Drop(nth) => ('-', one.get(nth)),
            Step::Add(nth) => ('+', two.get(nth)),
        };
        let line = line.copied().unwrap_or_default();
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

fn steps(one: &[&str], two: &[&str]) -> Vec<Step> {
    let start = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let room = one.len().min(two.len()) - start;
    let end = one.iter().rev().zip(two.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
    let (middle_one, middle_two) =
        (one.get(start..one.len() - end).unwrap_or_default(), two.get(start..two.len() - end).unwrap_or_default());
    let mut steps: Vec<Step> = (0..start).map(|nth| Step::Keep(nth, nth)).collect();
    steps.extend(middle(middle_one, middle_two).into_iter().map(|step| match step {
        Step::Keep(a, b) => Step::Keep(a + start, b + start),
        Step::Drop(a) => Step::Drop(a + start),
        Step::Add(b) => Step::Add(b + start),
    }));
    steps.extend((0..end).map(|nth| Step::Keep(one.len() - end + nth, two.len() - end + nth)));
    steps
}

fn middle(one: &[&str], two: &[&str]) -> Vec<Step> {
    let (n, m) = (one.len() as isize, two.len() as isize);
    let most = n + m;
    let offset = most + 1;
    let index = |diagonal: isize| usize::try_from(diagonal + offset).unwrap_or(0);
    let mut far = vec![0_isize; usize::try_from(2 * most + 3).unwrap_or(1)];
    let mut trace: Vec<Vec<isize>> = Vec::new();
    let get = |far: &[isize], diagonal: isize| far.get(index(diagonal)).copied().unwrap_or(0);
    'search: for depth in 0..=most {
        if trace.len().saturating_mul(far.len()) > MAX_TRACE {
            // Texts that have next to nothing in common: all of one goes, all of the other comes.
            let drops = (0..one.len()).map(Step::Drop);
            return drops.chain((0..two.len()).map(Step::Add)).collect();
        }
        trace.push(far.clone());
        for diagonal in (-depth..=depth).step_by(2) {
            let down = diagonal == -depth || diagonal != depth && get(&far, diagonal - 1) < get(&far, diagonal + 1);
            let mut x = if down { get(&far, diagonal + 1) } else { get(&far, diagonal - 1) + 1 };
            let mut y = x - diagonal;
            let same = |x: isize, y: isize| one.get(x.unsigned_abs()) == two.get(y.unsigned_abs());
            while x < n && y < m && same(x, y) {
                x += 1;
                y += 1;
            }
            if let Some(slot) = far.get_mut(index(diagonal)) {
                *slot = x;
            }
            if x >= n && y >= m {
                break 'search;
            }
        }
    }
    let mut steps = Vec::new();
    let (mut x, mut y) = (n, m);
    for (depth, far) in trace.iter().enumerate().rev() {
        let depth = depth as isize;
        let diagonal = x - y;
        let down = diagonal == -depth || diagonal != depth && get(far, diagonal - 1) < get(far, diagonal + 1);
        let before = if down { diagonal + 1 } else { diagonal - 1 };
        let from_x = if depth == 0 { 0 } else { get(far, before) };
        let from_y = if depth == 0 { 0 } else { from_x - before };
        while x > from_x && y > from_y {
            x -= 1;
            y -= 1;
            steps.push(Step::Keep(x as usize, y as usize));
        }
        if depth > 0 {
            if down {
                y -= 1;
                steps.push(Step::Add(y as usize));
            } else {
                x -= 1;
                steps.push(Step::Drop(x as usize));
            }
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hunks_are_as_diff_writes_them() {
        let old: String = (1..=20).map(|nth| format!("{nth}\n")).collect();
        let new = old.replace("\n5\n", "\n5\nx\n").replace("18\n", "");
        assert_eq!(
            unified_diff("f", &old, &new),
            "--- a/f\n+++ b/f\n@@ -3,6 +3,7 @@\n 3\n 4\n 5\n+x\n 6\n 7\n 8\n@@ -15,6 +16,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n"
        );
        assert_eq!(
            unified_diff("f", "a", "a\n"),
            "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
        );
        assert_eq!(unified_diff("f", "", "a\n"), "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified_diff("f", "a", "a"), "");
    }

    proptest! {
        #[test]
        fn steps_make_one_text_of_the_other(
            old in proptest::collection::vec("[ab]\n", 0..12),
            new in proptest::collection::vec("[ab]\n", 0..12),
        ) {
            let one: Vec<&str> = old.iter().map(String::as_str).collect();
            let two: Vec<&str> = new.iter().map(String::as_str).collect();
            let steps = steps(&one, &two);
            let olds: Vec<usize> = steps.iter().filter_map(|step| match step {
                Step::Keep(at, _) | Step::Drop(at) => Some(*at),
                Step::Add(_) => None,
            }).collect();
            let news: Vec<usize> = steps.iter().filter_map(|step| match step {
                Step::Keep(_, at) | Step::Add(at) => Some(*at),
                Step::Drop(_) => None,
            }).collect();
            prop_assert_eq!(olds, (0..one.len()).collect::<Vec<_>>());
            prop_assert_eq!(news, (0..two.len()).collect::<Vec<_>>());
            for step in steps {
                if let Step::Keep(a, b) = step {
                    prop_assert_eq!(one[a], two[b]);
                }
            }
        }
    }
}
