package main

import (
	"bytes"
	"fmt"
	"sort"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imagedata"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
	"github.com/gophercloud/gophercloud/pagination"
	names "github.com/gophercloud/utils/openstack/imageservice/v2/images"
)

func namesOf(all []images.Image) []string {
	found := []string{}
	for _, image := range all {
		found = append(found, image.Name)
	}
	return found
}

func listed(client *gophercloud.ServiceClient, options images.ListOpts) []string {
	pages, err := images.List(client, options).AllPages()
	must(err)
	all, err := images.ExtractImages(pages)
	must(err)
	return namesOf(all)
}

func lists(ours, theirs *gophercloud.ServiceClient) {
	began := time.Now().Add(-time.Minute)
	tags := []string{"list", "Ü & ?=1"}
	made := []*images.Image{}
	for n := 1; n <= 7; n++ {
		made = append(made, create(ours, images.CreateOpts{Name: fmt.Sprintf("list %d", n), Tags: tags}))
	}
	data := randomData(5000)
	must(imagedata.Upload(ours, made[6].ID, bytes.NewReader(data)).ExtractErr())
	create(ours, images.CreateOpts{Name: "without a tag"})
	all := []string{"list 1", "list 2", "list 3", "list 4", "list 5", "list 6", "list 7"}
	byName := images.ListOpts{Tags: tags, SortKey: "name", SortDir: "asc"}

	paged, sizes := []string{}, []int{}
	options := byName
	options.Limit = 3
	must(images.List(ours, options).EachPage(func(page pagination.Page) (bool, error) {
		found, err := images.ExtractImages(page)
		paged, sizes = append(paged, namesOf(found)...), append(sizes, len(found))
		return true, err
	}))
	equal(paged, all)
	equal(sizes, []int{3, 3, 1})
	equal(listed(ours, options), all)

	later := byName
	later.Marker = made[3].ID
	equal(listed(ours, later), all[4:])
	sorted := images.ListOpts{Tags: tags, Sort: "status:asc,name:desc"}
	equal(listed(ours, sorted), []string{"list 7", "list 6", "list 5", "list 4", "list 3", "list 2", "list 1"})

	for _, each := range []struct {
		options  images.ListOpts
		expected []string
	}{
		{images.ListOpts{Name: "list 2"}, all[1:2]},
		{images.ListOpts{ID: made[2].ID}, all[2:3]},
		{images.ListOpts{Status: images.ImageStatusActive}, all[6:]},
		{images.ListOpts{Owner: made[0].Owner}, all},
		{images.ListOpts{Owner: "nobody"}, []string{}},
		{images.ListOpts{Visibility: images.ImageVisibilityShared}, all},
		{images.ListOpts{Visibility: images.ImageVisibilityPublic}, []string{}},
		{images.ListOpts{ContainerFormat: "bare", DiskFormat: "raw"}, all},
		{images.ListOpts{DiskFormat: "qcow2"}, []string{}},
		{images.ListOpts{CreatedAtQuery: &images.ImageDateQuery{Date: began, Filter: images.FilterGTE}}, all},
		{images.ListOpts{UpdatedAtQuery: &images.ImageDateQuery{Date: began, Filter: images.FilterLT}}, []string{}},
	} {
		each.options.Tags, each.options.SortKey, each.options.SortDir = tags, "name", "asc"
		equal(listed(ours, each.options), each.expected)
	}
	equal(listed(theirs, byName), []string{})

	id, err := names.IDFromName(ours, "list 4")
	must(err)
	equal(id, made[3].ID)
	_, err = names.IDFromName(ours, "list 8")
	refused(err, gophercloud.ErrResourceNotFound{})
	create(ours, images.CreateOpts{Name: "list 4"})
	_, err = names.IDFromName(ours, "list 4")
	refused(err, gophercloud.ErrMultipleResourcesFound{})
}

// Later releases of gophercloud have it.
type replaceHidden struct{ isHidden bool }

func (r replaceHidden) ToImagePatchMap() map[string]interface{} {
	return map[string]interface{}{"op": "replace", "path": "/os_hidden", "value": r.isHidden}
}

func changes(ours, _ *gophercloud.ServiceClient) {
	image := create(ours, images.CreateOpts{
		Name:       "before",
		Tags:       []string{"old"},
		Properties: map[string]string{"kept": "1", "replaced": "2", "removed": "3"},
	})
	update := func(patches ...images.Patch) *images.Image {
		changed, err := images.Update(ours, image.ID, images.UpdateOpts(patches)).Extract()
		must(err)
		return changed
	}
	changed := update(
		images.ReplaceImageName{NewName: "after"},
		images.ReplaceImageTags{NewTags: []string{"new", "newer"}},
		images.ReplaceImageMinDisk{NewMinDisk: 3},
		images.ReplaceImageMinRam{NewMinRam: 256},
		images.UpdateVisibility{Visibility: images.ImageVisibilityCommunity},
		images.UpdateImageProperty{Op: images.AddOp, Name: "added", Value: "with / and ~"},
		images.UpdateImageProperty{Op: images.ReplaceOp, Name: "replaced", Value: "4"},
		images.UpdateImageProperty{Op: images.RemoveOp, Name: "removed"},
		replaceHidden{true},
	)
	for _, each := range []*images.Image{changed, get(ours, image.ID)} {
		sort.Strings(each.Tags)
		equal(each.Name, "after")
		equal(each.Tags, []string{"new", "newer"})
		equal([]int{each.MinDiskGigabytes, each.MinRAMMegabytes}, []int{3, 256})
		equal(each.Visibility, images.ImageVisibilityCommunity)
		equal(each.Properties["kept"], "1")
		equal(each.Properties["added"], "with / and ~")
		equal(each.Properties["replaced"], "4")
		_, isThere := each.Properties["removed"]
		equal(isThere, false)
		equal(each.Properties["os_hidden"], true)
	}
	equal(listed(ours, images.ListOpts{Name: "after"}), []string{})
	update(replaceHidden{false})
	equal(listed(ours, images.ListOpts{Name: "after"}), []string{"after"})
	must(images.Delete(ours, image.ID).ExtractErr())
}
