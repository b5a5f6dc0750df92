package main

import (
	"bytes"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imagedata"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imageimport"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
)

const none = "c0ffee00-0000-4000-8000-000000000000"

func failures(ours, theirs *gophercloud.ServiceClient) {
	badRequest, forbidden := gophercloud.ErrDefault400{}, gophercloud.ErrDefault403{}
	notFound, conflict := gophercloud.ErrDefault404{}, gophercloud.ErrDefault409{}
	rename := images.UpdateOpts{images.ReplaceImageName{NewName: "x"}}
	isProtected := true
	image := create(ours, images.CreateOpts{Name: "protected", Protected: &isProtected})
	data := func() *bytes.Reader { return bytes.NewReader([]byte("data")) }
	public := images.ImageVisibilityPublic

	for _, id := range []string{image.ID, none} {
		refused(images.Get(theirs, id).Err, notFound)
		refused(images.Update(theirs, id, rename).Err, notFound)
		refused(images.Delete(theirs, id).Err, notFound)
		refused(imagedata.Upload(theirs, id, data()).Err, notFound)
		refused(imagedata.Stage(theirs, id, data()).Err, notFound)
		refused(imagedata.Download(theirs, id).Err, notFound)
	}
	refused(images.Create(ours, images.CreateOpts{ID: image.ID, Name: "again"}).Err, conflict)
	refused(images.Create(ours, images.CreateOpts{Name: "x", DiskFormat: "no such"}).Err, badRequest)
	refused(images.Create(ours, images.CreateOpts{Name: "x", Visibility: &public}).Err, forbidden)
	checksum := images.UpdateOpts{images.ReplaceImageChecksum{Checksum: "0"}}
	refused(images.Update(ours, image.ID, checksum).Err, forbidden)
	missing := images.UpdateOpts{images.UpdateImageProperty{Op: images.RemoveOp, Name: "no-such"}}
	refused(images.Update(ours, image.ID, missing).Err, conflict)
	refused(images.List(ours, images.ListOpts{SortKey: "no such"}).EachPage(nil), badRequest)
	refused(images.List(ours, images.ListOpts{Marker: none}).EachPage(nil), badRequest)

	// No data yet: 204, which gophercloud takes for an error.
	refused(imagedata.Download(ours, image.ID).Err, gophercloud.ErrUnexpectedResponseCode{})
	direct := imageimport.CreateOpts{Name: imageimport.GlanceDirectMethod}
	refused(imageimport.Create(ours, image.ID, direct).Err, conflict)
	must(imagedata.Upload(ours, image.ID, data()).ExtractErr())
	refused(imagedata.Upload(ours, image.ID, data()).Err, conflict)
	refused(images.Delete(ours, image.ID).Err, forbidden)
}
