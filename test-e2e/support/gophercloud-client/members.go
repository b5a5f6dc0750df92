package main

import (
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/members"
)

func membersOf(client *gophercloud.ServiceClient, id string) []members.Member {
	pages, err := members.List(client, id).AllPages()
	must(err)
	all, err := members.ExtractMembers(pages)
	must(err)
	return all
}

func shares(ours, theirs *gophercloud.ServiceClient) {
	them := os.Getenv("OTHER_PROJECT_ID")
	image := create(ours, images.CreateOpts{Name: "to be shared"})
	equal(len(membersOf(ours, image.ID)), 0)
	refused(images.Get(theirs, image.ID).Err, gophercloud.ErrDefault404{})

	added, err := members.Create(ours, image.ID, them).Extract()
	must(err)
	equal([]string{added.ImageID, added.MemberID, added.Status}, []string{image.ID, them, "pending"})
	equal(added.Schema, "/v2/schemas/member")
	equal(added.CreatedAt.IsZero(), false)
	refused(members.Create(ours, image.ID, them).Err, gophercloud.ErrDefault409{})
	equal(get(theirs, image.ID).Name, "to be shared")
	shared := images.ListOpts{Name: "to be shared", Visibility: images.ImageVisibilityShared}
	equal(listed(theirs, shared), []string{})
	pending := shared
	pending.MemberStatus = images.ImageMemberStatusPending
	equal(listed(theirs, pending), []string{"to be shared"})

	refused(members.Update(ours, image.ID, them, members.UpdateOpts{Status: "accepted"}).Err, gophercloud.ErrDefault403{})
	accepted, err := members.Update(theirs, image.ID, them, members.UpdateOpts{Status: "accepted"}).Extract()
	must(err)
	equal(accepted.Status, "accepted")
	equal(listed(theirs, shared), []string{"to be shared"})
	shown, err := members.Get(ours, image.ID, them).Extract()
	must(err)
	equal(shown.Status, "accepted")
	all := membersOf(ours, image.ID)
	equal(len(all), 1)
	equal(all[0].MemberID, them)

	refused(members.Delete(theirs, image.ID, them).Err, gophercloud.ErrDefault403{})
	must(members.Delete(ours, image.ID, them).ExtractErr())
	refused(members.Delete(ours, image.ID, them).Err, gophercloud.ErrDefault404{})
	refused(images.Get(theirs, image.ID).Err, gophercloud.ErrDefault404{})
	must(images.Delete(ours, image.ID).ExtractErr())
}
