//! Heads of several tasks on one body.

mod common;

use brewer::model::{LoadOptions, Model, SharedBody, load};
use brewer::{Batch, Device, OutputRequest, Student, Task};
use common::{SEQUENCE, TOKEN, load_recorded, options, recorded, train};
use tch::{Kind, Tensor};
use tempfile::TempDir;

const WORDS: &str = "bert.embeddings.word_embeddings.weight";
const DECODER: &str = "cls.predictions.decoder.weight";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("class {index}")).collect()
}

fn with_new_head(body: &mut SharedBody, task: &Task) -> Box<dyn Model> {
    body.with_new_head(task).unwrap().model
}

fn is_one_tensor(left: &dyn Model, right: &dyn Model, name: &str) -> bool {
    let place = |model: &dyn Model| model.parameters().get(name).map(|tensor| tensor.data_ptr());
    place(left).is_some() && place(left) == place(right)
}

/// A student of `tags`, `reviews`, `topics` and `words`, made of a model without a pooler.
fn student() -> Student {
    let mut body = SharedBody::of(load_recorded(TOKEN).model.as_ref()).unwrap();
    let tasks = [
        ("tags", Task::TokenLabels { labels: names(3) }),
        ("reviews", Task::SingleLabel { labels: names(2) }),
        ("topics", Task::MultiLabel { labels: names(4) }),
        ("words", Task::MaskedLm { vocab_size: 89 }),
    ];
    let models = tasks.map(|(name, task)| (name.to_owned(), with_new_head(&mut body, &task).into()));
    Student::by_task(models.into(), body.parameters())
}

fn model<'s>(student: &'s Student, task: &str) -> &'s dyn Model {
    student.of_task(Some(task)).unwrap().as_ref()
}

#[test]
fn all_but_the_heads_is_one() {
    let student = student();
    let (tags, reviews) = (model(&student, "tags"), model(&student, "reviews"));
    assert!(is_one_tensor(tags, reviews, WORDS));
    assert!(!is_one_tensor(tags, reviews, "classifier.bias"));
    // What the first model lacks is shared by those that have it.
    assert!(tags.parameters().get("bert.pooler.dense.weight").is_none());
    assert!(is_one_tensor(reviews, model(&student, "topics"), "bert.pooler.dense.weight"));
    assert_eq!(student.of_task(None).err().unwrap().to_string().matches("tags, reviews, topics, words").count(), 1);

    // To the optimizer, too: each tensor is there once.
    let parameters = student.parameters();
    let mut places: Vec<_> = parameters.iter().map(|(_, tensor)| tensor.data_ptr()).collect();
    let count = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), count);
    let shape = |name: &str| parameters.get(name).unwrap().size();
    assert_eq!(shape("heads.topics.classifier.bias"), [4]);
    assert_eq!(shape("heads.reviews.classifier.bias"), [2]);
    let decoder = format!("heads.words.{DECODER}");
    assert_eq!(parameters.get(&decoder).unwrap().data_ptr(), parameters.get(WORDS).unwrap().data_ptr());
    assert!(parameters.iter().all(|(name, _)| name != decoder));
    for (name, expected) in [("heads.topics.classifier.bias", "classifier.bias"), (WORDS, WORDS)] {
        assert_eq!(student.name_in_model(name), expected);
    }
}

#[test]
fn a_loss_of_a_task_trains_the_body_and_its_head() {
    let student = student();
    let ids = Tensor::arange(8, (Kind::Int64, Device::Cpu)).view([2, 4]);
    let labels = Tensor::from_slice(&[1_i64, 0]);
    let batch = Batch::from_iter([("input_ids", ids), ("labels", labels)]);
    let outputs = train(model(&student, "reviews"), &batch, &OutputRequest::everything());
    outputs.tensor("loss").unwrap().backward();
    let trained = |name: &str| student.parameters().get(name).unwrap().grad().defined();
    assert!(trained(WORDS) && trained("bert.pooler.dense.weight") && trained("heads.reviews.classifier.weight"));
    assert!(!trained("heads.topics.classifier.weight") && !trained("heads.words.cls.predictions.bias"));
}

#[test]
fn each_task_is_saved_as_a_model_of_its_own() {
    let student = student();
    let folder = TempDir::new().unwrap();
    let mut saved = vec![];
    let beside = |folder: &std::path::Path| {
        saved.push(folder.file_name().unwrap().to_string_lossy().into_owned());
        Ok(())
    };
    student.save(folder.path(), beside).unwrap();
    assert_eq!(saved, ["tags", "reviews", "topics", "words"]);
    let mut numbers = 0;
    for (task, own) in student.models() {
        let loaded = load(&folder.path().join(task.unwrap()), &LoadOptions::frozen(Device::Cpu)).unwrap();
        assert!(loaded.new.is_empty() && loaded.left_out.is_empty());
        assert_eq!(loaded.model.spec(), own.spec());
        for (name, tensor) in own.parameters().named() {
            assert_eq!(loaded.model.parameters().get(name).unwrap(), tensor, "{name}");
            numbers += tensor.numel() as u64;
        }
    }
    assert_eq!(student.num_saved(), numbers);
    let topics = load(&folder.path().join("topics"), &options(false)).unwrap().model;
    assert_eq!(topics.spec().task, Task::MultiLabel { labels: names(4) });
}

#[test]
fn a_head_is_copied_and_a_body_is_not() {
    let whole = load_recorded(SEQUENCE).model;
    let mut body = SharedBody::of(whole.as_ref()).unwrap();
    let folder = recorded(SEQUENCE);
    let copies = [(); 2].map(|()| body.with_head_of(whole.as_ref(), [&folder; 2]).unwrap());
    for copy in &copies {
        assert!(is_one_tensor(copy.as_ref(), whole.as_ref(), WORDS));
        assert!(!is_one_tensor(copy.as_ref(), whole.as_ref(), "classifier.weight"));
        for (name, tensor) in whole.parameters().iter() {
            assert_eq!(copy.parameters().get(name).unwrap(), tensor, "{name}");
        }
    }
    assert!(!is_one_tensor(copies[0].as_ref(), copies[1].as_ref(), "classifier.weight"));

    let other = load_recorded(TOKEN).model;
    let error = body.with_head_of(other.as_ref(), [&recorded(TOKEN), &folder]).err().unwrap().to_string();
    assert!(error.contains("bert_token_classification differ from those in") && error.contains("word_emb"), "{error}");
}

/// Whatever the family, all parameters but the head's are shared.
#[test]
fn every_family_has_a_body_to_share() {
    for (first, task) in [
        ("bert_masked_lm", Task::SingleLabel { labels: names(2) }),
        ("roberta_sequence_classification", Task::TokenLabels { labels: names(2) }),
        ("xlm_roberta_sequence_classification", Task::TokenLabels { labels: names(2) }),
        ("camembert_sequence_classification", Task::TokenLabels { labels: names(2) }),
        ("distilbert_masked_lm", Task::TokenLabels { labels: names(2) }),
        ("electra_token_classification", Task::SingleLabel { labels: names(2) }),
        ("albert_masked_lm", Task::Regression { labels: names(1) }),
        ("mpnet_sequence_classification", Task::SingleLabel { labels: names(2) }),
        ("deberta_v2_token_classification", Task::Spans),
        ("modernbert_masked_lm", Task::SingleLabel { labels: names(2) }),
    ] {
        let whole = load_recorded(first).model;
        let mut body = SharedBody::of(whole.as_ref()).unwrap();
        let with_new = body.with_new_head(&task).unwrap();
        assert_eq!(with_new.model.spec().task, task, "{first}");
        let shared = with_new.model.parameters().iter().filter(|(name, _)| !with_new.new.iter().any(|new| new == name));
        for (name, _) in shared {
            assert!(is_one_tensor(whole.as_ref(), with_new.model.as_ref(), name), "{first}: {name}");
        }
        assert!((1..=6).contains(&with_new.new.len()), "{first}: {:?}", with_new.new);
    }
}
