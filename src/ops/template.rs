//! The use case `template`: an empty workbook to fill in, with the tenant's own names to choose from.

use super::error::{Error, ErrorKind};
use super::tenant::Connect;
use crate::manifest::{TemplateColumn, template as workbook};
use crate::plan::{EXAMPLE, Snapshot};
use crate::resource::{Action, Column, Form, Kind, Scope};

/// Makes a template for objects of one kind.
///
/// # Errors
/// The kinds of [`of_end`](super::of_end) if the names to choose from cannot be read.
pub async fn template(
    kind: Kind,
    connect: &mut dyn Connect,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Result<Vec<u8>, Error> {
    let mut tenant = connect.connect(None, stop).await?;
    let microtenant = tenant.microtenant.clone();
    let targets: Vec<Kind> = kind.targets().collect();
    let scopes = targets
        .iter()
        .map(|target| Scope::of(*target, microtenant.clone()));
    let scopes: Vec<Scope> = scopes.collect();
    let referred = if scopes.is_empty() {
        Snapshot::default()
    } else {
        tenant.snapshot(scopes, ErrorKind::Unexpected).await?
    };
    let mut columns = vec![action(kind)];
    columns.extend(written(kind).map(|column| described(kind, column, &referred)));
    columns.push(TemplateColumn {
        title: "id".to_owned(),
        note: "The id of an object that is there. With it, the row may also change the name."
            .to_owned(),
        ..TemplateColumn::default()
    });
    let resource = format!(
        "Then: zpa-bulk plan FILE --resource {kind}, and zpa-bulk apply FILE --resource {kind}"
    );
    let instructions = [
        "One row is one object. Leave a cell empty to leave its value as it is.",
        "Titles have notes that explain them. Columns that you do not need may be deleted.",
        "Several portals stand in one cell, with ; between them. The word none means no portal.",
        "The grey row is an example. It is not read as long as its action is the word example.",
        "Ids and numbers are texts. Keep the format of the columns.",
        resource.as_str(),
    ];
    workbook(kind.name(), &columns, &instructions)
        .map_err(|error| Error::unexpected("the template cannot be made", &error))
}

/// Returns the columns of a kind that a person fills in. An address is one column.
fn written(kind: Kind) -> impl Iterator<Item = &'static Column> {
    let columns = kind.columns().iter();
    columns.filter(move |column| {
        let is_split = matches!(column.form, Form::Split(..));
        let mut split = kind
            .columns()
            .iter()
            .filter(|other| matches!(other.form, Form::Split(..)));
        let is_part = !is_split && split.any(|other| other.wires().contains(&column.wire));
        !is_part && !matches!(column.form, Form::Info | Form::Condition(_))
    })
}

fn action(kind: Kind) -> TemplateColumn {
    let names = kind
        .actions()
        .iter()
        .map(|action: &Action| action.name().to_owned());
    TemplateColumn {
        title: "action".to_owned(),
        note: "What to do. Empty means ensure: create the object, or update what differs."
            .to_owned(),
        example: EXAMPLE.to_owned(),
        choices: names.collect(),
    }
}

fn described(kind: Kind, column: &Column, referred: &Snapshot) -> TemplateColumn {
    let is_required = column
        .wires()
        .iter()
        .any(|wire| kind.required().contains(wire));
    let (what, example, choices) = match column.form {
        Form::Flag => (
            "true or false.",
            "true",
            vec!["true".to_owned(), "false".to_owned()],
        ),
        Form::Refs(_) => ("Names or ids, with ; between them.", "", names(referred)),
        Form::Split(..) => (
            "The whole address, with https:// or http://.",
            "https://wiki.example.com/start",
            Vec::new(),
        ),
        Form::Part => {
            let parts = kind.parts().iter().map(|part| (*part).to_owned());
            ("One of the list.", "", parts.collect())
        }
        _ if column.wire == kind.key_field() => ("The name.", "Example", Vec::new()),
        _ if column.numeric => ("A whole number, as text.", "", Vec::new()),
        _ => ("Text.", "", Vec::new()),
    };
    let needed = if is_required {
        " A new object needs it."
    } else {
        ""
    };
    let example = choices.first().filter(|_| example.is_empty());
    TemplateColumn {
        title: column.name.to_owned(),
        note: format!("{what}{needed}"),
        example: match (column.form, example) {
            (Form::Flag, _) => "true".to_owned(),
            (Form::Split(..), _) => "https://wiki.example.com/start".to_owned(),
            (_, Some(first)) => first.clone(),
            _ if column.wire == kind.key_field() => "Example".to_owned(),
            _ => String::new(),
        },
        choices,
    }
}

/// Returns the names of the objects that were read, sorted.
fn names(referred: &Snapshot) -> Vec<String> {
    let listings = referred.listings.iter();
    let mut names: Vec<String> = listings
        .flat_map(|listing| {
            let kind = listing.scope.kind;
            let objects = listing.objects.iter();
            objects.filter_map(move |object| Some(kind.key_of(object)?.into_owned()))
        })
        .collect();
    names.sort_unstable();
    names
}
