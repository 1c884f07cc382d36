#!/bin/sh
# Builds what a release consists of, into dist/. docs/release.md is the checklist.
#
#   scripts/package.sh deb | rpm | archive | sbom | licences | sums | all
#
# The tools: cargo install --locked cargo-auditable cargo-deb cargo-generate-rpm cargo-cyclonedx cargo-about
set -eu
cd "$(dirname "$0")/.."

name=zpa-bulk
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
target=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-target}
# Whoever builds the same commit gets the same dates.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# The metadata of the packages names files in target/.
[ "$target_dir" = target ] || { echo "unset CARGO_TARGET_DIR first" >&2; exit 2; }

# The program, with the list of its parts inside for cargo audit.
binary() {
    cargo auditable build --release --locked
}

# Manual pages, completions and licences, as all packages hold them.
assets() {
    binary
    licences
    rm -rf target/package/man target/package/completions
    mkdir -p target/package/completions
    program=target/release/$name
    "$program" --quiet man target/package/man
    "$program" completions bash > target/package/completions/$name.bash
    "$program" completions zsh > target/package/completions/_$name
    "$program" completions fish > target/package/completions/$name.fish
}

deb() {
    cargo deb --no-build --locked --output dist/
}

rpm() {
    cargo generate-rpm --output dist/
}

# The archive that cargo-binstall and people without a package manager take.
archive() {
    whole=$name-$version-$target
    rm -rf "target/package/$whole"
    mkdir -p "target/package/$whole"
    cp target/release/$name LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md target/package/licences.html "target/package/$whole/"
    cp -R target/package/man target/package/completions docs samples "target/package/$whole/"
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        -C target/package -cf - "$whole" | gzip -n > "dist/$whole.tar.gz"
}

# The bill of materials, in the form of CycloneDX.
sbom() {
    cargo cyclonedx --format json --target "$target" --override-filename $name.cdx
    # The directory of this machine is of no use to anyone.
    sed "s|path+file://$PWD#|path+file:///$name#|g" $name.cdx.json > dist/$name.cdx.json
    rm $name.cdx.json
}

# The licences of all parts, with their texts. A licence that packaging/about.toml does not name is an error.
licences() {
    mkdir -p target/package
    cargo about generate --fail --locked --config packaging/about.toml --output-file target/package/licences.html packaging/about.hbs
    cp target/package/licences.html dist/
}

sums() {
    (cd dist && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS)
}

mkdir -p dist
case ${1:-} in
    deb | rpm | archive)
        assets
        "$1"
        ;;
    sbom | licences | sums) "$1" ;;
    all)
        assets
        deb
        rpm
        archive
        sbom
        sums
        ;;
    *)
        sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
