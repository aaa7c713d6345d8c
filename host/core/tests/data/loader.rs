use std::num::NonZeroUsize;
use std::sync::Arc;

use brewer::data::{Dataset, Loader, Order};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{dataset, model, singles};

/// Examples of 1 to 5 tokens, numbered.
fn numbered(count: usize) -> Arc<Dataset> {
    let rows: Vec<_> = (0..count).map(|id| json!({ "input_ids": vec![4; id * 7 % 5 + 1], "id": id })).collect();
    Arc::new(dataset(model(), &rows))
}

fn loader(dataset: &Arc<Dataset>, batch_size: usize, order: Order) -> Loader {
    Loader::new(Arc::clone(dataset), NonZeroUsize::new(batch_size).unwrap(), order)
}

/// The numbers of the examples, batch by batch.
fn epoch(loader: &Loader, epoch: u64) -> Vec<Vec<i64>> {
    loader.epoch(epoch).map(|batch| singles(&batch.unwrap(), "id")).collect()
}

#[test]
fn without_a_shuffle_the_order_is_the_files() {
    let loader = loader(&numbered(5), 2, Order::File);
    assert_eq!(loader.len(), 3);
    assert_eq!(epoch(&loader, 0), [vec![0, 1], vec![2, 3], vec![4]]);
    assert_eq!(epoch(&loader, 9), epoch(&loader, 0));
}

#[test]
fn by_length_the_longest_come_first_and_padding_is_least() {
    let data = numbered(50);
    let loader = loader(&data, 10, Order::ByLength);
    let examples = loader.examples(0);
    assert!(examples.is_sorted_by_key(|&example| std::cmp::Reverse(data.length(example))));
    for batch in loader.epoch(0) {
        let mask = batch.unwrap().get("attention_mask").unwrap().shallow_clone();
        assert_eq!(mask.sum(tch::Kind::Int64).int64_value(&[]), mask.numel() as i64);
    }
}

#[test]
fn grouped_by_length_an_epoch_is_whole_and_pads_less() {
    let data = numbered(103);
    let padded = |order| -> usize {
        let batches = loader(&data, 10, order);
        batches.epoch(3).map(|batch| batch.unwrap().get("input_ids").unwrap().numel()).sum()
    };
    let grouped = Order::Grouped { seed: 5, batch_size: 10 };
    let batches = epoch(&loader(&data, 10, grouped), 3);
    assert_eq!(batches.last().unwrap().len(), 3);
    let mut ids: Vec<i64> = batches.concat();
    assert_ne!(ids, (0..103).collect::<Vec<i64>>());
    ids.sort_unstable();
    assert_eq!(ids, (0..103).collect::<Vec<i64>>());
    assert!(padded(grouped) < padded(Order::Shuffled { seed: 5 }));
}

#[test]
fn an_epoch_may_be_left_early() {
    let loader = loader(&numbered(100), 1, Order::File);
    let mut batches = loader.epoch(0);
    assert!(batches.next().is_some());
    drop(batches);
    assert_eq!(epoch(&loader, 0).len(), 100);
}

#[test]
fn batches_can_be_made_in_another_thread_than_they_are_used_in() {
    let loader = loader(&numbered(8), 4, Order::File);
    let batches = loader.epoch(0);
    let count = std::thread::spawn(move || batches.map(|batch| batch.unwrap().len()).sum::<usize>()).join().unwrap();
    assert_eq!(count, 8);
}

#[test]
fn epochs_differ_and_seeds_do() {
    let data = numbered(40);
    let of_seed = |seed| loader(&data, 40, Order::Shuffled { seed });
    assert_ne!(epoch(&of_seed(1), 0), epoch(&of_seed(1), 1));
    assert_ne!(epoch(&of_seed(1), 0), epoch(&of_seed(2), 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_example_comes_once_an_epoch(count in 1..60_usize, batch_size in 1..20_usize, seed: u64, number: u64) {
        let data = numbered(count);
        for order in [Order::Shuffled { seed }, Order::File, Order::ByLength] {
            let loader = loader(&data, batch_size, order);
            let batches = epoch(&loader, number);
            prop_assert_eq!(batches.len(), loader.len());
            prop_assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == batch_size));
            let mut examples = batches.concat();
            let named: Vec<i64> = loader.examples(number).iter().map(|&example| example as i64).collect();
            prop_assert_eq!(&examples, &named);
            examples.sort_unstable();
            prop_assert_eq!(examples, (0..count as i64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_alone(count in 1..60_usize, seed: u64, number: u64) {
        let data = numbered(count);
        let once = loader(&data, 7, Order::Shuffled { seed });
        let again = loader(&numbered(count), 3, Order::Shuffled { seed });
        prop_assert_eq!(epoch(&once, number).concat(), epoch(&again, number).concat());
    }
}

#[test]
fn a_batch_may_be_larger_than_any_data() {
    let data = numbered(5);
    for order in [Order::File, Order::Grouped { seed: 1, batch_size: usize::MAX }, Order::ByLength] {
        let loader = loader(&data, usize::MAX, order);
        assert_eq!((loader.len(), epoch(&loader, 0)[0].len()), (1, 5));
        assert_eq!(loader.epoch_of(0, 1, |_| Ok(())).count(), 0);
    }
}
