//! Augmentations against Keras' and torchvision's answers (`tests/parity/augment.json`), and what must hold of all of them.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trainyard::{
    augment::{
        Augmentation, Draws, FillMode, Image, Interpolation, affine,
        affine::Border,
        auto_augment::CIFAR10,
        color,
        gaussian_blur::blur,
        policy::{self, Operation, Scale},
        random_crop::crop,
        random_erasing::erase,
        random_flip::{flip_horizontally, flip_vertically},
        random_resized_crop::resized_crop,
    },
    spec::schema,
};

fn fixture() -> Value {
    serde_json::from_str(include_str!("parity/augment.json")).unwrap()
}

fn image(shape: &Value, pixels: &Value) -> Image {
    let text = pixels.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    Image { shape: read(shape), pixels: (0..text.len()).step_by(2).map(byte).collect() }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn operation(name: &str) -> Operation {
    let all = policy::COMMON.into_iter().chain([Operation::Invert]);
    all.into_iter().find(|operation| format!("{operation:?}") == name).unwrap()
}

/// Our answer to a case, and how far it may be from theirs: the values' distance, and the share of pixels that may be any.
fn answer(mut image: Image, function: &str, arguments: &Value) -> (Image, u8, f64) {
    let number = |key: &str| arguments[key].as_f64().unwrap();
    let count = |key: &str| arguments[key].as_u64().unwrap() as usize;
    let moved = |make: &dyn Fn(&Image, Border, Interpolation) -> Image| {
        let border: (FillMode, u8) = (read(&arguments["fill_mode"]), read(&arguments["fill_value"]));
        let interpolation = read(&arguments["interpolation"]);
        // Where two pixels are equally near, the last digits decide which one is the nearest.
        let free = if interpolation == Interpolation::Nearest { 0.03 } else { 0.0 };
        (make(&image, border, interpolation), 1, free)
    };
    let exact = |image| (image, 0, 0.0);
    let near = |image| (image, 1, 0.0);
    match function {
        "rotate" => moved(&|image, border, how| affine::rotate(image, number("angle"), border, how)),
        "translate" => {
            moved(&|image, border, how| affine::translate(image, number("right"), number("down"), border, how))
        }
        "zoom" => moved(&|image, border, how| affine::zoom(image, number("height"), number("width"), border, how)),
        "shear" => moved(&|image, border, how| affine::shear(image, number("x"), number("y"), border, how)),
        "perform" => {
            let strength = number("strength");
            let operation = operation(arguments["operation"].as_str().unwrap());
            use Operation::{AutoContrast, Equalize, Identity, Invert, Posterize, Rotate, Solarize};
            let by = match operation {
                Identity | Posterize | Solarize | AutoContrast | Equalize | Invert => 0,
                _ => 1,
            };
            let free = if operation == Rotate { 0.03 } else { 0.0 };
            (policy::perform(image, operation, strength), by, free)
        }
        "crop" => {
            let corner = [count("top"), count("left")];
            exact(crop(&image, corner, read(&arguments["size"]), count("padding"), read(&arguments["mode"])))
        }
        "resized_crop" => near(resized_crop(&image, read(&arguments["part"]), read(&arguments["size"]))),
        "blur" => near(blur(image, count("size"), number("sigma"))),
        _ => {
            let mut by = 1;
            match function {
                "add" => color::add(&mut image, number("delta")),
                "contrast" => color::contrast(&mut image, number("factor")),
                "saturation" => color::saturation(&mut image, number("factor")),
                "hue" => color::hue(&mut image, number("shift")),
                "grayscale" => color::grayscale(&mut image),
                "adjust_brightness" => color::adjust_brightness(&mut image, number("factor")),
                "adjust_contrast" => color::adjust_contrast(&mut image, number("factor")),
                "adjust_saturation" => color::adjust_saturation(&mut image, number("factor")),
                "adjust_sharpness" => color::adjust_sharpness(&mut image, number("factor")),
                _ => {
                    by = 0;
                    match (function, arguments["mode"].as_str()) {
                        ("flip", Some("horizontal")) => flip_horizontally(&mut image),
                        ("flip", _) => flip_vertically(&mut image),
                        ("erase", _) => {
                            let value = count("value") as u8;
                            erase(&mut image, read(&arguments["corner"]), read(&arguments["size"]), || value);
                        }
                        ("invert", _) => color::invert(&mut image),
                        ("posterize", _) => color::posterize(&mut image, count("bits") as u32),
                        ("solarize", _) => color::solarize(&mut image, number("threshold")),
                        ("equalize", _) => color::equalize(&mut image),
                        ("auto_contrast", _) => color::auto_contrast(&mut image),
                        _ => panic!("{function}"),
                    }
                }
            }
            (image, by, 0.0)
        }
    }
}

#[test]
fn fixed_parameters_give_the_answers_of_keras_and_torchvision() {
    let fixture = fixture();
    let images = &fixture["images"];
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in fixture["cases"].as_array().unwrap() {
        let from = &images[case["image"].as_str().unwrap()];
        let function = case["function"].as_str().unwrap();
        let expected = image(&case["shape"], &case["answer"]);
        let (ours, by, free) = answer(image(&from["shape"], &from["pixels"]), function, &case["arguments"]);
        assert_eq!(ours.shape, expected.shape, "{function} {}", case["arguments"]);
        let far = ours.pixels.iter().zip(&expected.pixels).filter(|(a, b)| a.abs_diff(**b) > by).count();
        if far as f64 > free * expected.pixels.len() as f64 {
            let most = ours.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            wrong.push(format!("{function} of {} {}: {far} off, by {most:?}", case["image"], case["arguments"]));
        }
        *cases.entry(function).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 24 && cases.values().all(|count| *count >= 2), "{cases:?}");
}

#[test]
fn policies_and_their_scales_are_torchvisions() {
    let fixture = fixture();
    for row in fixture["strengths"].as_array().unwrap() {
        let name = row["operation"].as_str().unwrap();
        let scale = if row["scale"] == "wide" { Scale::Wide } else { Scale::Common };
        let theirs: Vec<f64> = read(&row["strengths"]);
        assert_eq!(operation(name).is_signed(), row["signed"].as_bool().unwrap(), "{name}");
        for (bin, theirs) in theirs.iter().enumerate() {
            let ours = scale.strength(operation(name), bin, row["strengths"].as_array().unwrap().len(), [32, 48]);
            assert!((ours - theirs).abs() < 1e-5, "{name} at {bin}: {ours}, not {theirs}");
        }
    }
    let theirs: Vec<[(String, f64, usize); 2]> = read(&fixture["policy"]);
    let ours =
        CIFAR10.map(|pair| pair.map(|(operation, probability, bin)| (format!("{operation:?}"), probability, bin)));
    assert_eq!(theirs, ours);
}

fn noisy(shape: [usize; 3]) -> Image {
    let mut stream = trainyard::random::Purpose::new(3, "test").stream(0, 0);
    Image { shape, pixels: (0..shape.iter().product()).map(|_| stream.bits() as u8).collect() }
}

fn augmentation(value: Value) -> Augmentation {
    serde_json::from_value(value).unwrap()
}

/// All documented examples.
fn documented() -> Vec<Augmentation> {
    let definitions = schema::full()["$defs"].as_object().unwrap();
    let members = definitions["Augmentation"]["oneOf"].as_array().unwrap();
    let mut all = Vec::new();
    for member in members {
        let (name, reference) = member["properties"].as_object().unwrap().iter().next().unwrap();
        let definition = reference["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let examples = definitions[definition]["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} documents no example");
        all.extend(examples.iter().map(|example| augmentation(json!({ name.as_str(): example }))));
    }
    assert!(Augmentation::NAMES.iter().all(|name| all.iter().any(|one| one.name() == *name)));
    all
}

#[test]
fn documented_examples_are_read_and_run() {
    for one in documented() {
        let again = serde_json::to_value(&one).unwrap();
        assert_eq!(augmentation(again), one);
        for shape in [[12, 9, 3], [12, 9, 1], [8, 8, 1], [1, 1, 3]] {
            let Ok(size) = one.output_size([shape[0], shape[1]]) else { continue };
            for example in 0..20 {
                let out = one.apply(noisy(shape), &mut Draws::new(0, "dataset.train[1]", 0).of(0, 0, example));
                assert_eq!(out.shape, [size[0], size[1], shape[2]], "{one:?}");
                assert_eq!(out.pixels.len(), out.shape.iter().product::<usize>());
            }
        }
    }
}

#[test]
fn what_is_drawn_hangs_on_seed_place_epoch_and_example() {
    for one in documented().iter().filter(|one| one.name() != "alternating_flip") {
        let make = |seed, path: &str, index, epoch, example| {
            one.apply(noisy([16, 16, 3]), &mut Draws::new(seed, path, index).of(epoch, 0, example))
        };
        let all = |seed, path: &str, index, epoch| -> Vec<Image> {
            (0..32).map(|example| make(seed, path, index, epoch, example)).collect()
        };
        let first = all(1, "a", 2, 3);
        assert_eq!(first, all(1, "a", 2, 3));
        if one.output_size([16, 16]) == Ok([16, 16]) && !first.iter().all(|image| *image == first[0]) {
            for other in [all(2, "a", 2, 3), all(1, "b", 2, 3), all(1, "a", 0, 3), all(1, "a", 2, 4)] {
                assert_ne!(first, other, "{one:?}");
            }
        }
    }
}

#[test]
fn a_probability_is_a_frequency() {
    let original = noisy([4, 4, 3]);
    for (one, probability) in [
        (json!({"random_flip": {}}), 0.5),
        (json!({"random_flip": {"mode": "horizontal", "probability": 0.2}}), 0.2),
        (json!({"random_grayscale": {}}), 0.5),
        (json!({"invert": {"probability": 0.9}}), 0.9),
        (json!({"posterize": {"bits": 2}}), 0.5),
        (json!({"random_erasing": {"scale": 0.25, "fill_value": 0}}), 0.5),
    ] {
        let (one, draws, count) = (augmentation(one), Draws::new(0, "a", 0), 10_000);
        let changed =
            (0..count).filter(|i| one.apply(original.clone(), &mut draws.of(0, 0, *i)) != original).count() as f64;
        let (mean, deviation) =
            (f64::from(count) * probability, (f64::from(count) * probability * (1.0 - probability)).sqrt());
        assert!((changed - mean).abs() < 4.0 * deviation, "{one:?}: {changed} of {count}");
    }
}

#[test]
fn turns_come_every_second_epoch() {
    let one = augmentation(json!({"alternating_flip": {}}));
    let original = noisy([4, 5, 3]);
    let mut mirrored = original.clone();
    flip_horizontally(&mut mirrored);
    let draws = Draws::new(0, "a", 0);
    let apply = |epoch, example| one.apply(original.clone(), &mut draws.of(epoch, 0, example));
    let begins = (0..1000).filter(|example| apply(0, *example) == mirrored).count();
    assert!((430..570).contains(&begins), "{begins}");
    for example in 0..50 {
        assert_ne!(apply(0, example), apply(1, example));
        assert_eq!(apply(0, example), apply(2, example));
    }
}

proptest! {
    #[test]
    fn parameters_that_say_nothing_change_nothing(height in 1usize..12, width in 1usize..12, grey: bool, example: u32) {
        let original = noisy([height, width, if grey { 1 } else { 3 }]);
        let ratio = [width as f64 / height as f64; 2];
        for one in [
            json!({"random_flip": {"probability": 0}}),
            json!({"random_rotation": {"factor": 0}}),
            json!({"random_rotation": {"factor": 0, "interpolation": "nearest", "fill_mode": "constant"}}),
            json!({"random_translation": {"height_factor": 0, "width_factor": 0, "fill_mode": "wrap"}}),
            json!({"random_zoom": {"height_factor": 0}}),
            json!({"random_shear": {}}),
            json!({"random_crop": {}}),
            json!({"random_resized_crop": {"scale": [1, 1], "ratio": ratio}}),
            json!({"random_brightness": {"factor": 0}}),
            json!({"random_contrast": {"factor": 0}}),
            json!({"random_saturation": {"factor": [0.5, 0.5]}}),
            json!({"random_hue": {"factor": 0}}),
            json!({"gaussian_noise": {"stddev": 0}}),
            json!({"gaussian_blur": {"kernel_size": 1}}),
            json!({"gaussian_blur": {"sigma": 0}}),
            json!({"random_erasing": {"scale": 0, "probability": 1}}),
            json!({"posterize": {"bits": 8, "probability": 1}}),
            json!({"sharpness": {"factor": 1, "probability": 1}}),
            json!({"rand_augment": {"num_ops": 0}}),
        ] {
            let changed = augmentation(one.clone()).apply(original.clone(), &mut Draws::new(0, "a", 0).of(0, 0, example));
            prop_assert_eq!(&changed, &original, "{}", one);
        }
    }

    #[test]
    fn every_augmentation_declares_its_size(height in 1usize..20, width in 1usize..20, grey: bool, example: u32) {
        let channels = if grey { 1 } else { 3 };
        for one in documented() {
            if let Ok([h, w]) = one.output_size([height, width]) {
                let out = one.apply(noisy([height, width, channels]), &mut Draws::new(0, "a", 0).of(1, 0, example));
                prop_assert_eq!(out.shape, [h, w, channels]);
                prop_assert_eq!(out.pixels.len(), h * w * channels);
            }
        }
    }
}

#[test]
fn noise_has_its_deviation() {
    let grey = Image::filled([64, 64, 3], 128);
    let noisy =
        augmentation(json!({"gaussian_noise": {"stddev": 10}})).apply(grey, &mut Draws::new(0, "a", 0).of(0, 0, 0));
    let offsets = noisy.pixels.iter().map(|value| f64::from(*value) - 128.0);
    let count = noisy.pixels.len() as f64;
    let (mean, square) = offsets.fold((0.0, 0.0), |(mean, square), x| (mean + x / count, square + x * x / count));
    assert!(mean.abs() < 0.4 && (square.sqrt() - 10.0).abs() < 0.4, "{mean} {square}");
}

#[test]
fn a_part_must_be_in_the_padded_image() {
    let one = augmentation(json!({"random_crop": {"height": 12, "width": 8, "padding": 1}}));
    assert_eq!(one.output_size([10, 8]), Ok([12, 8]));
    assert_eq!(one.output_size([9, 8]), Err("12x8 pixels are not in an image of 11x10".to_owned()));
}
